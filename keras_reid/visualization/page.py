"""Pages from the templates in `templates/`: one HTML file each that refers to nothing outside itself."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from keras_reid.utils.files import written_aside
from keras_reid.visualization.chart import COLORS, SIZE

if TYPE_CHECKING:
    from PIL import Image

    from keras_reid.visualization.chart import Chart


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page under its own heading.

    Args:
        title: the heading.
        content: `Markup`, as `render` returns it.
        anchor: makes the section a target of links, and lists it in the row of links at the top; empty leaves it out.
    """

    title: str
    content: Markup
    anchor: str = ""


def write_page(path: str | os.PathLike[str], title: str, header: Markup, sections: Sequence[Section]) -> None:
    """Writes a page, whole or not at all, in the reader's light or dark colours.

    Args:
        path: the file.
        title: of the page.
        header: `Markup` of its top.
        sections: `Section`s.
    """
    with written_aside(path) as aside:
        page = render("page", title=title, header=header, sections=sections)
        aside.write_text(page + "\n", encoding="utf-8")


def render(template: str, **values: Any) -> Markup:
    """A part of a page: what a template makes of values. Text in the values is escaped.

    Args:
        template: name of the file in `templates/`, without its ending.
        values: what the template needs.

    Returns:
        `markupsafe.Markup`.

    Example:
        >>> render("notes", notes=["a < b"])
        Markup('<p class="note">a &lt; b</p>')
    """
    return Markup(_environment().get_template(f"{template}.html").render(values).strip())


def page_header(
    title: str,
    purpose: str = "",
    numbers: Iterable[tuple[str, float]] = (),
    note: str = "",
    facts: Iterable[tuple[str, str]] = (),
) -> Markup:
    """The top of a page.

    Args:
        title: of the page.
        purpose: a line that says more; empty for none.
        numbers: `(name, fraction)` of those that matter most, shown as percent.
        note: what the numbers are of.
        facts: `(name, text)` pairs.
    """
    return render("header", title=title, purpose=purpose, numbers=numbers, note=note, facts=facts)


def notes(*texts: str) -> Markup:
    """Paragraphs that explain, in small print."""
    return render("notes", notes=texts)


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    style: str = "",
    best: Iterable[tuple[int, int]] = (),
) -> Markup:
    """A table whose first column names the rows; it scrolls where the page is narrow.

    Args:
        header: texts.
        rows: of cells.
        style: `"words"` for a table of texts rather than numbers.
        best: `(row, column)` of the cells in bold, both from 0; the names are not counted as a column.
    """
    return render("table", header=header, rows=rows, style=style, best=best)


def charts(figures: Sequence[Chart], beside: Markup | str = "") -> Markup:
    """Charts side by side.

    Args:
        figures: `Chart`s.
        beside: `Markup` that stands in the same row.
    """
    return render("charts", charts=figures, beside=beside)


def picture_source(image: Image.Image) -> str:
    """A `PIL.Image` as the source of a picture inside the page: a JPEG in a data URL."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def percent(fraction: float, digits: int = 1) -> str:
    """`0.9312` → `"93.1 %"`."""
    return f"{100 * fraction:.{digits}f} %"


@functools.cache
def _environment():
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_reid.visualization"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.globals.update(size=SIZE, colors=COLORS)
    return environment
