"""Charts as inline SVG, coloured by the page."""

import dataclasses

from keras_reid.visualization.markup import Markup, markup

_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 16, 44
_COLORS = 6  # the page's variables --c0 … --c5
_DASHES = ("", "7 4", "2 3")  # for further lines of the same colours


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: for the legend.
        points: `(x, y)` pairs.
        note: a number to show beside the name.
        filled: whether the area below is tinted.
        dotted: whether each point is marked.
        faint: whether it only guides the eye, grey and without a legend.
    """

    name: str
    points: tuple
    note: str = ""
    filled: bool = False
    dotted: bool = False
    faint: bool = False


def chart(title, lines, x, y, marks=()):
    """Lines over two axes, with a legend above where there are several, or one with a note.

    Args:
        title: of the chart, also for those who hear the page.
        lines: `Line`s.
        x, y: `Axis` of the horizontal and the vertical direction.
        marks: `(value, text)` pairs: upright dashed lines.

    Returns:
        `Markup` of a `<figure>`.

    Example:
        >>> chart("CMC", [Line("market", ((1, 0.9), (2, 1.0)))], Axis("rank", 1, 2), Axis("share", 0, 1))
    """
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(point):
        return _LEFT + x.place(point[0]) * (right - _LEFT), bottom - y.place(point[1]) * (bottom - _TOP)

    parts = []
    for tick in y.ticks():
        _, top = at((x.low, tick))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{top:.1f}" y2="{top:.1f}"/>')
        parts.append(_text(_LEFT - 7, top + 4, y.text(tick), "end"))
    for tick in x.ticks():
        left, _ = at((tick, y.low))
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{left:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(_text(left, bottom + 18, x.text(tick), "middle"))
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 6, x.label, "middle"))
    legend = []
    colored = [line for line in lines if not line.faint]
    for line in lines:
        number = colored.index(line) if line in colored else 0
        style = "" if line.faint else _style(number)
        points = " ".join("{:.1f},{:.1f}".format(*at(point)) for point in line.points)
        if line.filled:
            ends = (at((line.points[0][0], y.low)), at((line.points[-1][0], y.low)))
            corners = "{:.1f},{:.1f} {} {:.1f},{:.1f}".format(*ends[0], points, *ends[1])
            parts.append(
                f'<polygon class="area" style="fill:var(--c{number % _COLORS})" points="{corners}"/>'
            )
        name = f"<title>{markup(line.name)}</title>"
        kind = "guide" if line.faint else "curve"
        parts.append(f'<polyline class="{kind}" style="{style}" points="{points}">{name}</polyline>')
        if line.dotted or len(line.points) == 1:
            for left, top in map(at, line.points):
                parts.append(
                    f'<circle style="fill:var(--c{number % _COLORS})" cx="{left:.1f}" cy="{top:.1f}" r="3"/>'
                )
        if not line.faint:
            legend.append(_entry(line, style))
    for row, (value, text) in enumerate(marks):
        left, _ = at((value, y.low))
        parts.append(f'<line class="mark" x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP - 8}" y2="{bottom}"/>')
        # On the side where there is room.
        side, anchor = (6, "start") if left < (_LEFT + right) / 2 else (-6, "end")
        parts.append(_text(left + side, _TOP + 15 * row, text, anchor, "strong"))
    if len(legend) == 1 and not colored[0].note:
        legend = []
    unit = ", percent" if y.percent else ""
    return Markup(
        f'<figure class="chart"><figcaption><b>{markup(title)}</b> <span>{markup(y.label)}{unit}</span></figcaption>'
        f'<div class="legend">{"".join(legend)}</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{markup(title)}: {markup(y.label)} by '
        f'{markup(x.label)}">{"".join(parts)}</svg></figure>'
    )


def charts(*figures):
    """Charts side by side, as many as there is room for."""
    return Markup(f"<div class=charts>{''.join(figures)}</div>")


def _style(number):
    dash = _DASHES[number // _COLORS % len(_DASHES)]
    return f"stroke:var(--c{number % _COLORS})" + (f";stroke-dasharray:{dash}" if dash else "")


def _entry(line, style):
    swatch = f'<svg viewBox="0 0 22 8" aria-hidden="true"><line x1="0" x2="22" y1="4" y2="4" style="{style}"/></svg>'
    value = f" <b>{markup(line.note)}</b>" if line.note else ""
    return f"<span>{swatch} {markup(line.name)}{value}</span>"


def _text(x, y, content, anchor, kind=""):
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{markup(content)}</text>'
