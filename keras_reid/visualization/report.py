"""The report of a run: one page that needs nothing but a browser."""

import base64
import html
import io
import json
import pathlib

from keras_reid.evaluation.table import COLUMNS
from keras_reid.files import written_aside
from keras_reid.visualization.cmc import cmc_chart
from keras_reid.visualization.page import PAGE
from keras_reid.visualization.ranked_list import describe_distance
from keras_reid.visualization.thumbnails import common_size, thumbnail

_THUMBNAIL_HEIGHT = 160


def write_report(run_directory, name, results, experiment, versions, ranked_lists=None):
    """Writes `report/index.html`: metrics, CMC curves, ranked lists, the experiment and the versions.

    One file without any reference to the network, in the reader's light or dark colours.

    Args:
        run_directory: folder of the run.
        name: heading of the page.
        results: name of the test set → `RetrievalResult`.
        experiment: the resolved experiment, JSON-able.
        versions: name of the package → its version.
        ranked_lists: name of the test set → list of `RankedList`, or None.

    Returns:
        `pathlib.Path` of the page.

    Example:
        >>> write_report("runs/first", "first", {"market": result}, {"seed": 0}, {"keras": "3.15.1"})
        PosixPath('runs/first/report/index.html')
    """
    sections = [
        f"<h1>{_escape(name)}</h1>",
        _section("Retrieval", _metrics(results)),
        _section("Cumulative matching", cmc_chart({test: result.cmc for test, result in results.items()})),
    ]
    for test, lists in (ranked_lists or {}).items():
        if lists:
            sections.append(_section(f"Ranked lists: {test}", _LISTS_NOTE + _lists(lists)))
    resolved = json.dumps(experiment, indent=2, ensure_ascii=False)
    sections.append(_section("Experiment", f"<pre>{_escape(resolved)}</pre>"))
    sections.append(_section("Versions", _table(("Package", "Version"), versions.items())))
    page = PAGE.substitute(title=_escape(name), body="\n".join(sections))
    path = pathlib.Path(run_directory) / "report" / "index.html"
    with written_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def _metrics(results):
    rows = []
    for test, result in results.items():
        values = result.to_dict()
        queries, valid = values["num_queries"], values["num_valid_queries"]
        percent = [f"{100 * values[key]:.2f}" for _, key in COLUMNS]
        rows.append((test, *percent, str(queries) if valid == queries else f"{valid} of {queries}"))
    note = "<p class=note>Percent, over the queries that have a match in the gallery.</p>"
    return _table(("Test set", *(title for title, _ in COLUMNS), "Queries"), rows) + note


def _lists(lists):
    size = common_size([one.path for one in lists], _THUMBNAIL_HEIGHT)
    parts = []
    for one in lists:
        figures = [_figure(one.path, size, "query", "query", one.camera)]
        for image in one.images:
            kind = "right" if image.right else "wrong"
            figures.append(
                _figure(image.path, size, kind, describe_distance(one.metric, image.distance), image.camera)
            )
        heading = f"<h3>AP {100 * one.average_precision:.1f} %</h3>"
        parts.append(f"{heading}<div class=list>{''.join(figures)}</div>")
    return "\n".join(parts)


def _figure(path, size, kind, caption, camera):
    image = thumbnail(path, size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    place = "" if camera is None else f" <span>cam {camera}</span>"
    name = _escape(pathlib.Path(path).name)
    return (
        f'<figure class={kind}><img src="data:image/jpeg;base64,{data}" width={image.width} '
        f'height={image.height} alt="{kind}: {name}" title="{name}">'
        f"<figcaption>{_escape(caption)}{place}</figcaption></figure>"
    )


def _table(header, rows):
    head = "".join(f"<th>{_escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{_escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _section(title, content):
    return f"<section><h2>{_escape(title)}</h2>\n{content}</section>"


def _escape(text):
    return html.escape(str(text))


_LISTS_NOTE = (
    "<p class=note>Queries from the best to the worst by average precision (AP), each with its nearest "
    "gallery images; those that the protocol does not count are left out. "
    "Thick green frame: the same identity; thin red frame: another.</p>"
)
