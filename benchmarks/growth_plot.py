"""Draws how time and memory grow with the number of images: two panels with logarithmic axes."""

import dataclasses
import itertools
import math

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import written_aside

_SIZE, _LEFT, _TOP, _WIDTH, _HEIGHT = (1320, 580), 90, 76, 520, 410
_PANEL = 660
_INK, _FAINT, _GRID = "#1f2328", "#57606a", "#e3e7eb"
_COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")


@dataclasses.dataclass(frozen=True)
class Curve:
    """A curve in a panel.

    Args:
        name: label at the last point.
        points: `(images, value)` pairs.
        dashed: for calculated or reference values.
    """

    name: str
    points: list
    dashed: bool = False


def draw_growth(path, title, panels, across="images in the gallery"):
    """Draws panels of curves side by side.

    Args:
        path: the image file to write.
        title: the title.
        panels: two pairs `(name of the vertical axis, [Curve, …])`.
        across: name of the horizontal axes.
    """
    paper = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(paper)
    draw.text((_LEFT, 14), title, _INK, ImageFont.load_default(18))
    for number, (name, curves) in enumerate(panels):
        _panel(draw, _LEFT + number * _PANEL, name, across, [curve for curve in curves if curve.points])
    with written_aside(path) as aside:
        paper.save(aside)


def _panel(draw, left, name, across, curves):
    small = ImageFont.load_default(13)
    xs, ys = (_range([point[axis] for curve in curves for point in curve.points]) for axis in (0, 1))

    def place(x, y):
        return (
            left + (math.log10(x) - xs[0]) / (xs[1] - xs[0]) * _WIDTH,
            _TOP + _HEIGHT - (math.log10(y) - ys[0]) / (ys[1] - ys[0]) * _HEIGHT,
        )

    bottom = _TOP + _HEIGHT
    draw.text((left, _TOP - 22), name, _INK, small)
    draw.text((left + _WIDTH / 2, bottom + 34), across, _FAINT, small, "ma")
    for value in _levels(*ys):
        level = place(10 ** xs[0], value)[1]
        draw.line((left, level, left + _WIDTH, level), _GRID)
        draw.text((left - 8, level), _short(value), _FAINT, small, "rm")
    for value in _levels(*xs):
        column = place(value, 10 ** ys[0])[0]
        draw.line((column, _TOP, column, bottom), _GRID)
        draw.text((column, bottom + 8), _short(value), _FAINT, small, "ma")
    taken = []
    for curve, colour in zip(curves, _COLOURS, strict=False):
        points = [place(*point) for point in sorted(curve.points)]
        for start, end in itertools.pairwise(points):
            _line(draw, start, end, colour, curve.dashed)
        if not curve.dashed:
            for x, y in points:
                draw.ellipse((x - 4, y - 4, x + 4, y + 4), colour)
        x, y = points[-1]
        row = y - 10
        while any(abs(row - other) < 17 for other in taken):
            row += 17
        taken.append(row)
        draw.text((min(x, left + _WIDTH) - 8, row), curve.name, colour, small, "rb")


def _line(draw, start, end, colour, dashed):
    if not dashed:
        draw.line((*start, *end), colour, 3)
        return
    length = math.dist(start, end)
    for at in range(0, int(length), 9):
        ends = (at / length, min(at + 5, length) / length)
        draw.line([tuple(a + (b - a) * t for a, b in zip(start, end, strict=True)) for t in ends], colour, 2)


def _range(values):
    low, high = math.log10(min(values)), math.log10(max(values))
    room = 0.06 * max(high - low, 1)
    return low - room, high + room


def _levels(low, high):
    digits = (1, 2, 5) if high - low < 3 else (1,)
    levels = [d * 10.0**p for p in range(math.floor(low), math.ceil(high) + 1) for d in digits]
    return [level for level in levels if low <= math.log10(level) <= high]


def _short(value):
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
