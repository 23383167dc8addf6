"""What an association writes: MOT files with global ids, and a table."""

from __future__ import annotations

import csv
import datetime
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.files import folder_beside, to_disk

if TYPE_CHECKING:
    from keras_reid.tracks.association.associating import Association
    from keras_reid.tracks.records import Tracks

TABLE = "identities.csv"
COLUMNS = ("identity", "camera", "tracklet", "track", "first", "last", "crops", "probability")


def write_identities(
    folder: str | os.PathLike[str], tracks: Sequence[Tracks], association: Association
) -> list[Path]:
    """Writes `CAMERA.txt` for each camera and `identities.csv`, all or none; earlier files of these names are replaced.

    Args:
        folder: is made if it is missing.
        tracks: of one camera each.
        association: of these.

    Returns:
        the files.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    ids = global_ids(tracks, association)
    contents = {f"{one.camera}.txt": mot_text(one, some) for one, some in zip(tracks, ids, strict=True)}
    contents[TABLE] = table_text(association_rows(tracks, association))
    with folder_beside(folder) as aside:
        for name, text in contents.items():
            (aside / name).write_text(text, encoding="utf-8")
        to_disk(aside)
        folder.mkdir(exist_ok=True)
        for name in contents:
            os.replace(aside / name, folder / name)
    return [folder / name for name in contents]


def global_ids(tracks: Sequence[Tracks], association: Association) -> list[NDArray[np.int64]]:
    """The id of each box of each camera: the identity of its tracklet.

    An id is at most once in a frame: where two tracklets of one identity meet, the longer one has it. The boxes of the
    other one there get an id of their own, above those of the identities, and so does a track in no tracklet, because
    none of its boxes could be embedded.

    Args:
        tracks: of one camera each.
        association: of these.

    Returns:
        for each camera `(n,)`, from 1.
    """
    ids, highest = [], association.count
    for one, identity in zip(tracks, association.identity, strict=True):
        tracklet, frame = one.box_tracklet, one.boxes.frame
        outside = tracklet < 0
        result = np.append(identity, -1)[tracklet]
        length = np.append(np.bincount(tracklet[~outside], minlength=len(identity)), 0)[tracklet]
        order = np.lexsort((tracklet, -length, result, frame))
        again = (np.diff(frame[order], prepend=-1) == 0) & (np.diff(result[order], prepend=-1) == 0)
        outside[order[again]] = True
        unknown, places = np.unique(one.boxes.track[outside], return_inverse=True)
        result[outside] = highest + 1 + places
        highest += len(unknown)
        ids.append(result)
    return ids


def mot_text(tracks: Tracks, identity: NDArray[np.int64]) -> str:
    """All boxes of a camera as a MOT Challenge file: `frame,id,left,top,width,height,score,-1,-1,-1`, frames from 1.

    Args:
        tracks: of a camera.
        identity: `(n,)` the id of each box.
    """
    boxes = tracks.boxes
    size = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    lines = (
        f"{frame + 1},{number},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.4g},-1,-1,-1\n"
        for frame, number, (left, top), (width, height), score in zip(
            boxes.frame.tolist(),
            identity.tolist(),
            boxes.xyxy[:, :2].tolist(),
            size.tolist(),
            boxes.score.tolist(),
            strict=True,
        )
    )
    return "".join(lines)


def association_rows(tracks: Sequence[Tracks], association: Association) -> list[dict[str, Any]]:
    """What is known of each tracklet, in the order of identities, and of time within one.

    Args:
        tracks: of one camera each.
        association: of these.

    Returns:
        a dict for each: `identity` from 1; `camera`; `tracklet`, its row in the file of tracks, from 0; `track`, the
        tracker's id; `first` and `last`, ISO 8601, or seconds since the video's start where that is unknown; `crops`
        that were kept; `probability` that it belongs to the identity's other tracklets, None without others.
    """
    rows = []
    for camera, one in enumerate(tracks):
        known = one.tracklets
        kept = np.bincount(one.crops.tracklet[one.crops.kept], minlength=len(known))
        begin = 0.0 if one.start is None else one.start.timestamp()
        for place, identity in enumerate(association.identity[camera].tolist()):
            probability = float(association.probability[camera][place])
            row = {
                "identity": identity,
                "camera": one.camera,
                "tracklet": place,
                "track": int(known.track[place]),
                "first": shown_time(one, known.first_second[place]),
                "last": shown_time(one, known.last_second[place]),
                "crops": int(kept[place]),
                "probability": None if math.isnan(probability) else round(probability, 4),
            }
            rows.append(((identity, begin + known.first_second[place], camera, place), row))
    return [row for _, row in sorted(rows, key=lambda one: one[0])]


def table_text(rows: Sequence[dict[str, Any]]) -> str:
    """The CSV of `association_rows`; a probability of None is empty. No spreadsheet computes a camera's name."""
    from keras_reid.gallery.postgres.transfer import guarded

    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows({**row, "camera": guarded(row["camera"])} for row in rows)
    return text.getvalue()


def shown_time(tracks: Tracks, seconds: float) -> str:
    """A time in a video: in ISO 8601 to the millisecond, or the seconds where the video's start is unknown."""
    if tracks.start is None:
        return f"{seconds:.3f}"
    return (tracks.start + datetime.timedelta(seconds=float(seconds))).isoformat(timespec="milliseconds")
