"""Cameras against cameras, shaded by how well they match."""

import numpy as np

from keras_reid.visualization.markup import Markup, markup, note

_MOST = 24


def camera_table(pairs, names):
    """Rank-1 and mAP for each camera of a query (rows) and of the gallery (columns), the better the deeper.

    Args:
        pairs: `CameraPairs`.
        names: number of a camera → its name.

    Returns:
        `Markup`; a sentence instead where there are too many cameras to be read.
    """
    if max(len(pairs.query_cameras), len(pairs.gallery_cameras)) > _MOST:
        return note(
            f"{len(pairs.gallery_cameras)} cameras are too many for a table here: "
            "python -m keras_reid.evaluate RUN --per-camera writes it as JSON."
        )
    head = "".join(f"<th scope=col>{_name(camera, names)}</th>" for camera in pairs.gallery_cameras)
    rows = []
    for row, camera in enumerate(pairs.query_cameras):
        cells = "".join(_cell(pairs, row, column) for column in range(len(pairs.gallery_cameras)))
        rows.append(f"<tr><th scope=row>{_name(camera, names)}</th>{cells}</tr>")
    return Markup(
        note(
            "Rank-1, and below it mAP, in percent: a camera's queries (row) searched for in the images of one camera "
            "(column). A dot: no query has a match there."
        )
        + f"<div class=wide><table class=heat><thead><tr><th scope=col>query \\ gallery</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(pairs, row, column):
    if not pairs.queries[row, column]:
        return "<td>·</td>"
    rank1, mean = pairs.rank1[row, column], pairs.mAP[row, column]
    # What is seen is where cameras differ, so the scale begins at the worst pair.
    low, high = np.nanmin(pairs.rank1), np.nanmax(pairs.rank1)
    depth = round(100 * (rank1 - low) / (high - low)) if high > low else 100
    queries = pairs.queries[row, column]
    return f'<td style="--depth:{depth}%" title="{queries} queries"><b>{100 * rank1:.1f}</b><br>{100 * mean:.1f}</td>'


def _name(camera, names):
    return markup(f"cam {names.get(int(camera), camera)}")
