"""Pieces of a page. Whatever text goes in is escaped."""

import base64
import html
import io


class Markup(str):
    """Text that is HTML already, so that `markup` leaves it as it is.

    Example:
        >>> markup("a < b"), markup(Markup("<b>bold</b>"))
        ('a &lt; b', '<b>bold</b>')
    """

    __slots__ = ()


def markup(content):
    """What is shown for a value: HTML as it is, everything else escaped."""
    return content if isinstance(content, Markup) else Markup(html.escape(str(content)))


def section(title, *contents, anchor=None):
    """A section with its heading; an anchor makes it a target of links."""
    target = f' id="{html.escape(anchor)}"' if anchor else ""
    return Markup(f"<section{target}><h2>{markup(title)}</h2>\n{''.join(contents)}</section>")


def note(text):
    """A paragraph that explains, in small print."""
    return Markup(f"<p class=note>{markup(text)}</p>")


def table(header, rows, style=""):
    """A table whose first column names the rows; it scrolls where the page is narrow.

    Args:
        header: texts.
        rows: of cells.
        style: names of classes: `words` for a table of texts rather than numbers.
    """
    head = "".join(f"<th scope=col>{markup(cell)}</th>" for cell in header)
    body = "".join(
        f"<tr><th scope=row>{markup(first)}</th>"
        + "".join(f"<td>{markup(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return Markup(
        f'<div class=wide><table class="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def picture(image, alt):
    """A `PIL.Image` inside the page, as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = html.escape(alt)
    return Markup(
        f'<img src="data:image/jpeg;base64,{data}" width={image.width} height={image.height} alt="{text}" '
        f'title="{text}">'
    )


def percent(fraction, digits=1):
    """`0.9312` → `"93.1 %"`."""
    return f"{100 * fraction:.{digits}f} %"
