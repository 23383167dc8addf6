"""The cumulative matching curve as inline SVG."""

import html
import math

_WIDTH, _HEIGHT = 720, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 150, 12, 40
_COLORS = 5
_STEPS = ((0.9, 0.02), (0.75, 0.05), (0.5, 0.1), (0, 0.2))  # between grid lines, by the lowest value


def cmc_chart(curves):
    """CMC curves in one chart, coloured by the page's variables `--c0` … `--c4`.

    Args:
        curves: name → `(ranks,)` fractions, from rank 1.

    Returns:
        str, an `<svg>` element.

    Example:
        >>> cmc_chart({"market": [0.5, 0.75, 1.0]}).startswith("<svg")
        True
    """
    last = max(2, *(len(curve) for curve in curves.values()))
    lowest = min(curve[0] for curve in curves.values())
    # The axis need not begin at zero: the steps between close curves are what the reader looks for.
    step = next(step for above, step in _STEPS if lowest >= above)
    lines = max(4, math.ceil(round((1 - lowest) / step, 6)))
    floor = 1 - lines * step

    def x(rank):
        return _LEFT + (rank - 1) / (last - 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(fraction):
        return _TOP + (1 - fraction) / (1 - floor) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for line in range(lines + 1):
        level = 1 - line * step
        at = f"{y(level):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(_text(_LEFT - 8, y(level) + 4, f"{100 * level:.0f}", "end"))
    interval = 10 if last > 20 else 5
    for rank in (1, *range(interval, last + 1, interval)):
        parts.append(_text(x(rank), bottom + 18, rank, "middle"))
    axis = "rank k: queries with a match among the first k, percent"
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 4, axis, "middle"))
    for index, (name, curve) in enumerate(curves.items()):
        style = f'style="stroke:var(--c{index % _COLORS})"'
        label = html.escape(name)
        points = " ".join(f"{x(rank):.1f},{y(value):.1f}" for rank, value in enumerate(curve, 1))
        parts.append(f'<polyline class="curve" {style} points="{points}"><title>{label}</title></polyline>')
        left, top = right + 16, _TOP + 12 + 20 * index
        parts.append(f'<polyline class="curve" {style} points="{left},{top - 4} {left + 18},{top - 4}"/>')
        parts.append(_text(left + 24, top, label, "start"))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="CMC curve">{"".join(parts)}</svg>'
    )


def _text(x, y, content, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{content}</text>'
