"""Values side by side as a picture: charts of horizontal bars, in groups, each from zero on its own scale."""

import dataclasses

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import save_picture
from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Line, Shape
from keras_reid.visualization.chart_picture import chart_image

_WIDTH, _HEAD = 760, 48
_BAR, _GAP = 16, 14  # heights of a bar, and of the space between groups
_EDGE, _LETTER = 18, 6.4  # space at the sides, and the mean width of a letter
_ROOM = 64  # for the number behind the longest bar


@dataclasses.dataclass(frozen=True)
class Bars:
    """A chart of bars, of the form that `chart_image` draws.

    Args:
        title: of the chart.
        unit: what the values are.
        groups: `(name, {series: value})` pairs; the bars of a series have one colour in all groups.
        digits: decimals of the written values.
        series: names of series, in the order of their colours; those of the groups if not given.
    """

    title: str
    unit: str
    groups: tuple
    digits: int = 1
    series: tuple = ()

    @property
    def legend(self):
        """A line for each series, with the number of its colour."""
        return [(number, Line(name, ())) for number, name in enumerate(self._order())]

    @property
    def height(self):
        """Pixels that the bars need."""
        return sum(_BAR * len(values) + _GAP for _, values in self.groups) + _GAP

    def shapes(self, width, height):
        """What to draw on paper of this size, in pixels."""
        order = self._order()
        left = _EDGE + 8 + _LETTER * max(len(name) for name, _ in self.groups)
        axis = Axis(self.unit, 0.0, max(value for _, values in self.groups for value in values.values()))
        top = _GAP
        shapes = [Shape("line", "grid", ((left, top / 2), (left, self.height)))]
        for name, values in self.groups:
            middle = top + _BAR * len(values) / 2 + 4
            shapes.append(Shape("text", "strong", ((left - 8, middle),), text=name, anchor="end"))
            for one, value in values.items():
                number = order.index(one)
                right = left + axis.place(value) * (width - _ROOM - left)
                corners = ((left, top), (right, top), (right, top + _BAR - 3), (left, top + _BAR - 3))
                shapes.append(Shape("area", "area", corners, number))
                shapes.append(Shape("line", "spread", (*corners, corners[0]), number))
                text = f"{value:.{self.digits}f}"
                shapes.append(Shape("text", "label", ((right + 6, top + 11),), text=text, anchor="start"))
                top += _BAR
            top += _GAP
        return shapes

    def _order(self):
        return list(self.series or dict.fromkeys(one for _, values in self.groups for one in values))


def draw_bars(path, title, charts):
    """Draws charts of bars below each other.

    Args:
        path: the picture to write.
        title: the line above.
        charts: `Bars`.
    """
    pictures = [chart_image(chart, (_WIDTH, chart.height + 80), chart.unit) for chart in charts]
    paper = Image.new("RGB", (_WIDTH, _HEAD + sum(picture.height for picture in pictures)), "white")
    ImageDraw.Draw(paper).text((_EDGE, 14), title, "#1f2328", ImageFont.load_default(18))
    top = _HEAD
    for picture in pictures:
        paper.paste(picture, (0, top))
        top += picture.height
    save_picture(paper, path)
