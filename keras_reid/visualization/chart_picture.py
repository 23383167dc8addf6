"""A chart as a picture."""

import itertools
import math

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import save_picture
from keras_reid.visualization.chart import COLORS

# The light colours of templates/style.css.
_PAPER, _INK, _FAINT, _GRID = "#ffffff", "#1f2328", "#59636e", "#d1d9e0"
_LINES = ("#0969da", "#bc4c00", "#8250df", "#1a7f37", "#bf3989", "#7d4e00")
_FINE = 2  # drawn so many times larger and then shrunk, which smooths the edges
# Colour (None: that of the line), width in pixels, and dashes of what has no number of its own.
_LOOKS = {
    "grid": (_GRID, 1, ()),
    "guide": (_FAINT, 1, (5, 4)),
    "mark": (_FAINT, 1, (5, 4)),
    "spread": (None, 1, ()),
    "curve": (None, 2, ()),
    "dashed": (None, 2, (7, 4)),
}
_DASHES = ((), (7, 4), (2, 3))  # of curves beyond the sixth, the twelfth
# Pillow's font has no such letters; 10⁻⁴ becomes 1e-4.
_PLAIN = str.maketrans({"×": "x", "−": "-", "⁻": "-", **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))})
_MARGIN, _TITLE, _ROW = 18, 30, 22  # the edge, and the heights of the title and of a row below it


def draw_chart(chart, path, size=(1100, 480), subtitle=None):
    """Writes `chart_image` to a file.

    Args:
        chart: a `Chart`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.
        size, subtitle: as there.
    """
    save_picture(chart_image(chart, size, subtitle), path)


def chart_image(chart, size=(1100, 480), subtitle=None):
    """A chart on white paper, with its title and legend above.

    Args:
        chart: a `Chart`.
        size: width and height in pixels.
        subtitle: the second line above; None is the name of the vertical axis.

    Returns:
        `PIL.Image`, RGB.
    """
    width, height = size
    subtitle = chart.unit if subtitle is None else subtitle
    paper = Image.new("RGB", (width * _FINE, height * _FINE), _PAPER)
    pen = _Pen(ImageDraw.Draw(paper, "RGBA"), _FINE)
    pen.text((_MARGIN, 22), chart.title, _INK, size=15)
    pen.down = _TITLE
    if subtitle:
        pen.text((_MARGIN, 12), subtitle, _FAINT)
        pen.down += _ROW
    if chart.legend:
        left = _MARGIN
        for number, line in chart.legend:
            color, dashes = _look_of_line(number)
            _, thickness, own_dashes = _LOOKS[line.role]
            pen.line([(left, 8), (left + 22, 8)], color, thickness, own_dashes or dashes)
            left = pen.text((left + 28, 12), f"{line.name} {line.note}", _INK) + 18
        pen.down += _ROW
    for shape in chart.shapes(width, height - pen.down):
        color, dashes = (_FAINT, ()) if shape.number is None else _look_of_line(shape.number)
        if shape.form == "text":
            pen.text(shape.points[0], shape.text, _INK if shape.role == "strong" else _FAINT, shape.anchor)
        elif shape.form == "area":
            pen.area(shape.points, color)
        elif shape.form == "dot":
            pen.dot(shape.points[0], color, hollow=shape.role == "ring")
        else:
            own, thickness, own_dashes = _LOOKS[shape.role]
            pen.line(shape.points, own or color, thickness, own_dashes or dashes)
    return paper.reduce(_FINE)


def _look_of_line(number):
    return _LINES[number % COLORS], _DASHES[number // COLORS % len(_DASHES)]


class _Pen:
    """Draws in the pixels of the finished picture.

    Args:
        draw: `PIL.ImageDraw.ImageDraw` of the larger paper, which blends transparent colours.
        scale: how many times larger that is.

    `down` is how far below the top of the paper the points begin.
    """

    def __init__(self, draw, scale):
        self.draw, self.scale, self.down = draw, scale, 0

    def _place(self, point):
        return point[0] * self.scale, (point[1] + self.down) * self.scale

    def text(self, point, text, color, anchor="start", size=12):
        """Writes on a base line; returns where the text ends."""
        font, text = ImageFont.load_default(size * self.scale), text.replace("10⁻", "1e⁻").translate(_PLAIN)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
        self.draw.text(self._place(point), text, color, font, anchor)
        return point[0] + font.getlength(text) / self.scale

    def line(self, points, color, width, dashes=()):
        """Draws a line through points, whole or in dashes (length, gap)."""
        points = [self._place(point) for point in points]
        if not dashes:
            self.draw.line(points, color, width * self.scale, joint="curve")
            return
        for dash in _dashed(points, *(length * self.scale for length in dashes)):
            self.draw.line(dash, color, width * self.scale)

    def area(self, points, color):
        """Tints an area; what was drawn there before shines through."""
        self.draw.polygon([self._place(point) for point in points], f"{color}38")

    def dot(self, point, color, hollow=False):
        """Draws a dot, or a ring."""
        (x, y), radius = self._place(point), 4 * self.scale
        fill = _PAPER if hollow else color
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill, color, 2 * self.scale)


def _dashed(points, length, gap):
    """Pieces of a line of several points, `length` long and `gap` apart, on around its corners."""
    travelled = 0.0
    for start, end in itertools.pairwise(points):
        distance = math.dist(start, end)
        first = math.floor(travelled / (length + gap))
        last = math.floor((travelled + distance) / (length + gap))
        for number in range(first, last + 1):
            begin = max(number * (length + gap) - travelled, 0)
            stop = min(number * (length + gap) + length - travelled, distance)
            if begin < stop:
                shares = (begin / distance, stop / distance)
                yield [
                    tuple(a + (b - a) * share for a, b in zip(start, end, strict=True)) for share in shares
                ]
        travelled += distance
