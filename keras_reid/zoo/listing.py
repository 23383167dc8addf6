"""Rows of the registry as text: a list, all of one, a table of the documentation, a measured row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from keras_reid.zoo.registry import PIXELS, Row, rows

_METRICS = {"rank1": "Rank-1", "rank5": "Rank-5", "mAP": "mAP", "mINP": "mINP"}


def list_lines(chosen: Collection[Row]) -> list[str]:
    """One line a model: name, network, training data, claimed and measured results."""
    table = [("NAME", "NETWORK", "TRAINED ON", "CLAIMED", "MEASURED")]
    table += [
        (
            row.name,
            row.network,
            _trained_on(row),
            _first(row.claimed),
            _first(row.measured) or "not measured",
        )
        for row in chosen
    ]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    lines = [
        "  ".join([*(word.ljust(width) for word, width in zip(line, widths, strict=False)), line[4]])
        for line in table
    ]
    for number, row in enumerate(chosen, 1):
        if row.needs:
            lines[number] += "  cannot be used by name yet"
    return [*lines, "* withdrawn by its authors. `keras-reid zoo show NAME` tells more, also the licence."]


def show_lines(row: Row) -> list[str]:
    """All that is known of a model, in lines."""
    size = f"{row.image_size[0]} × {row.image_size[1]}" if row.image_size else "not told"
    scale = "mean {}, deviation {}".format(*PIXELS[row.pixels]) if row.pixels else "not told"
    facts = {
        "task": row.task,
        "network": row.network,
        "trained on": _trained_on(row),
        "published by": row.source,
        "file": row.file or "not told",
        "address": row.where or f"KerasHub's preset {row.preset}",
        "size": f"{row.size:,} bytes" if row.size else "not published",
        "SHA-256": row.sha256 or "not published",
        "copies": "; ".join(f"{copy['sha256']} at {copy['at']}" for copy in row.copies),
        "image size": size,
        "pixels": scale,
        "licence": row.licence,
        "commercial use": row.restricted or "nothing is said",
        "claimed": _results(row.claimed) or "nothing",
        "measured": _results(row.measured) or "not measured",
        "checked by": row.checked_by if row.checked_by != Row.checked_by or not row.needs else "",
        "needs": row.needs or "",
    }
    if row.withdrawn:
        facts["withdrawn"] = f"{' and '.join(row.withdrawn)}, by its authors"
    width = max(map(len, facts)) + 2
    return [row.name, *(f"  {what.ljust(width)}{fact}" for what, fact in facts.items() if fact)]


def document_table() -> str:
    """The table of docs/zoo.md."""
    lines = [
        "| name | network | trained on | licence | claimed, % | checked by |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows().values():
        checked = row.checked_by
        if row.needs:
            missing = f"cannot be used by name: needs {row.needs}"
            checked = missing if checked == Row.checked_by else f"{checked}; {missing}"
        licence = "see `zoo show`" if row.published else row.licence
        trained_on = _trained_on(row).replace("*", "\\*")
        cells = (f"`{row.name}`", row.network, trained_on, licence, _results(row.claimed), checked)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """A document with the table between its two marks, which are comments that begin with "rows" and "end of rows"."""
    before, start, rest = text.partition("<!-- rows")
    mark, end, after = rest.partition("<!-- end of rows")
    first = mark.partition("-->")[0]
    return f"{before}{start}{first}-->\n\n{document_table()}\n\n{end}{after}"


def measured_lines(name: str, results: Mapping[str, Mapping[str, Any]], sha256: str | None) -> list[str]:
    """A measured row in the form of the registry.

    Args:
        name: of the model.
        results: name of the test set → metrics as fractions, as `RetrievalResult.to_dict` gives them.
        sha256: of the published file.
    """
    from keras_reid import __version__

    inline = []
    for dataset, metrics in results.items():
        values = [
            f'on = "{dataset}"',
            *(f"{key} = {100 * metrics[key]:.1f}" for key in ("rank1", "mAP", "mINP")),
        ]
        values += [f"queries = {metrics['num_valid_queries']}", f'by = "keras_reid {__version__}"']
        values += [f'sha256 = "{sha256}"'] if sha256 else []
        inline.append(f"{{ {', '.join(values)} }}")
    return [f'# In [models."{name}"]:', f"measured = [{', '.join(inline)}]"]


def _trained_on(row):
    return ", ".join(f"{name}*" if name in row.withdrawn else name for name in row.trained_on)


def _first(results):
    return _results(results[:1]) + (" …" if len(results) > 1 else "")


def _results(results):
    """`Market-1501: Rank-1 94.4, mAP 86.1`."""
    return "; ".join(
        f"{result['on']}: "
        + ", ".join(f"{title} {result[key]:g}" for key, title in _METRICS.items() if key in result)
        for result in results
    )
