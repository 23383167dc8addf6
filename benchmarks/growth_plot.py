"""How time and memory grow with the number of images, as a picture: two charts, all axes logarithmic."""

import dataclasses

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import save_picture
from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Chart, Line
from keras_reid.visualization.chart_picture import chart_image

_PANEL, _HEAD = (640, 520), 48


@dataclasses.dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Args:
        name: for the legend.
        points: `(images, value)` pairs.
        dashed: for calculated or reference values.
    """

    name: str
    points: list
    dashed: bool = False


def draw_growth(path, title, panels, across="images in the gallery"):
    """Draws charts of curves side by side.

    Args:
        path: the picture to write.
        title: the line above.
        panels: `(name of the vertical axis, [Curve, …])` pairs.
        across: name of the horizontal axes.
    """
    paper = Image.new("RGB", (len(panels) * _PANEL[0], _HEAD + _PANEL[1]), "white")
    ImageDraw.Draw(paper).text((18, 14), title, "#1f2328", ImageFont.load_default(18))
    for number, (name, curves) in enumerate(panels):
        chart = _chart(name, across, [curve for curve in curves if curve.points])
        paper.paste(chart_image(chart, _PANEL, subtitle=""), (number * _PANEL[0], _HEAD))
    save_picture(paper, path)


def _chart(name, across, curves):
    lines = [
        Line(curve.name, tuple(sorted(curve.points)), dotted=not curve.dashed, dashed=curve.dashed)
        for curve in curves
    ]
    xs, ys = ([point[axis] for line in lines for point in line.points] for axis in (0, 1))
    return Chart(name, tuple(lines), _axis(across, xs), _axis(name, ys))


def _axis(label, values):
    return Axis(label, min(values) / 1.2, max(values) * 1.2, logarithmic=True)
