"""A chart of lines and points over two axes, laid out once for pages and pictures.

`Chart` says what is shown, `Chart.shapes` where: lines, areas, dots and texts in pixels. `templates/charts.html` writes
them as SVG, which the page colours; `chart_picture.draw_chart` draws them into a PNG or JPEG file.
"""

import dataclasses

from keras_reid.visualization.axis import Axis

SIZE = (520, 300)  # width and height on a page
COLORS = 6  # for lines; further ones repeat them in other dashes
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 10, 44
_ROW, _LETTER = 15, 6.4  # height of a line of text of 12 pixels, and the mean width of a letter
_MOST_ROWS = 3


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: for the legend.
        points: `(x, y)` pairs.
        note: a number to show in the legend after the name.
        filled: whether the area below is tinted.
        dotted: whether each point is marked.
        dashed: whether it is for comparison: calculated rather than measured, for example.
        faint: whether it only guides the eye: grey, dashed and not in the legend.
        number: of its colour, so that a thing keeps it from chart to chart; None counts the lines.
    """

    name: str
    points: tuple
    note: str = ""
    filled: bool = False
    dotted: bool = False
    dashed: bool = False
    faint: bool = False
    number: int | None = None

    @property
    def role(self):
        """Of its `Shape`."""
        return "guide" if self.faint else "dashed" if self.dashed else "curve"


@dataclasses.dataclass(frozen=True)
class Point:
    """A single measurement in a chart.

    Args:
        x, y: its place.
        spread: half the length of the upright line through it: one standard deviation, for example.
        text: written next to it.
        hollow: whether it is an empty ring, for a value of little weight.
    """

    x: float
    y: float
    spread: float = 0.0
    text: str = ""
    hollow: bool = False


@dataclasses.dataclass(frozen=True)
class Shape:
    """Something to draw.

    Args:
        form: `"line"`, `"area"`, `"dot"` or `"text"`.
        role: what it is in the chart, which decides its look: `"grid"`, `"mark"`, `"curve"`, …
        points: `(x, y)` pairs in pixels from the upper left corner; one for a dot or a text.
        number: of the line whose colour it has, None for those without colour.
        text: what is written, or the name of a curve.
        anchor: `"start"`, `"middle"` or `"end"`: the part of a text that stands at its point.
    """

    form: str
    role: str
    points: tuple
    number: int | None = None
    text: str = ""
    anchor: str = "middle"


@dataclasses.dataclass(frozen=True)
class Chart:
    """Lines and points over two axes.

    Args:
        title: of the chart.
        lines: `Line`s.
        x, y: `Axis` of the horizontal and the vertical direction.
        marks: `(x, text)` pairs: upright dashed lines with a text above each.
        points: `Point`s, in the colour of the first line.

    Example:
        >>> rising = Line("market", ((1, 0.9), (2, 1.0)))
        >>> chart = Chart("CMC", (rising,), Axis("rank", 1, 2), Axis("share", 0, 1))
        >>> [shape.points for shape in chart.shapes() if shape.role == "curve"]
        [((52.0, 34.6), (506.0, 10.0))]
    """

    title: str
    lines: tuple
    x: Axis
    y: Axis
    marks: tuple = ()
    points: tuple = ()

    @property
    def colored(self):
        """`(number of the colour, line)` of each line that has a colour."""
        lines = [line for line in self.lines if not line.faint]
        return [(place if line.number is None else line.number, line) for place, line in enumerate(lines)]

    @property
    def legend(self):
        """What to name: `colored`, or nothing where the title names the only line."""
        lines = self.colored
        return lines if len(lines) > 1 or any(line.note for _, line in lines) else []

    @property
    def unit(self):
        """The name of the vertical axis with its unit."""
        return f"{self.y.label}, percent" if self.y.percent else self.y.label

    def shapes(self, width=SIZE[0], height=SIZE[1]):
        """What to draw on paper of this size, in pixels, from the back to the front.

        Returns:
            list of `Shape`.
        """
        right, bottom = width - _RIGHT, height - _BOTTOM
        rows, marks = _rows(
            [(_LEFT + self.x.place(x) * (right - _LEFT), text) for x, text in self.marks], right
        )
        top = _TOP + _ROW * rows

        def at(x, y):
            place = _LEFT + self.x.place(x) * (right - _LEFT), bottom - self.y.place(y) * (bottom - top)
            return tuple(round(value, 1) for value in place)

        shapes = [*_axis_shapes(self.x, self.y, at, width, height)]
        for line in self.lines:
            if line.faint:
                shapes += _line_shapes(line, None, at, self.y.low)
        for number, line in self.colored:
            shapes += _line_shapes(line, number, at, self.y.low)
        for point in self.points:
            shapes += _point_shapes(point, at, right, bottom)
        for left, row, start, text in marks:
            base = top - 4 - _ROW * (rows - 1 - row)
            shapes.append(Shape("line", "mark", ((left, base + 3), (left, bottom))))
            shapes.append(Shape("text", "strong", ((start, base),), text=text, anchor="start"))
        return shapes


def _axis_shapes(x, y, at, width, height):
    """The lines and numbers of both axes."""
    right, bottom = width - _RIGHT, height - _BOTTOM
    yield Shape("line", "grid", ((_LEFT, bottom), (right, bottom)))
    for tick in y.ticks(max(5, height // 70)):
        _, level = at(x.low, tick)
        yield Shape("line", "grid", ((_LEFT, level), (right, level)))
        yield Shape("text", "label", ((_LEFT - 7, level + 4),), text=y.text(tick), anchor="end")
    for tick in x.ticks(max(5, width // 90)):
        left, _ = at(tick, y.low)
        yield Shape("line", "grid", ((left, bottom), (left, bottom + 4)))
        yield Shape("text", "label", ((left, bottom + 18),), text=x.text(tick))
    yield Shape("text", "label", (((_LEFT + right) / 2, height - 6),), text=x.label)


def _line_shapes(line, number, at, floor):
    points = tuple(at(*point) for point in line.points)
    if line.filled:
        ends = at(line.points[0][0], floor), at(line.points[-1][0], floor)
        yield Shape("area", "area", (ends[0], *points, ends[1]), number)
    yield Shape("line", line.role, points, number, line.name)
    if line.dotted or len(points) == 1:
        for point in points:
            yield Shape("dot", "dot", (point,), number)


def _point_shapes(point, at, right, bottom):
    place = at(point.x, point.y)
    if point.spread:
        ends = (at(point.x, point.y - point.spread), at(point.x, point.y + point.spread))
        yield Shape("line", "spread", ends, 0)
    yield Shape("dot", "ring" if point.hollow else "dot", (place,), 0)
    if point.text:
        # Below to the right, off a rising line; but above the axis, and to the left where there is no room.
        if place[0] + 7 + _LETTER * len(point.text) < right:
            start, anchor = (place[0] + 7, min(place[1] + 14, bottom - 6)), "start"
        else:
            start, anchor = (place[0] - 9, min(place[1] + 4, bottom - 6)), "end"
        yield Shape("text", "label", (start,), text=point.text, anchor=anchor)


def _rows(marks, right):
    """How many rows the texts of marks need so as not to cover each other, and `(x, row, start, text)` of each."""
    ends, placed = [], []
    for left, text in sorted(marks):
        width = _LETTER * len(text)
        start = min(left, right - width)
        row = next((row for row, end in enumerate(ends) if start > end + 8), len(ends))
        row = min(row, _MOST_ROWS - 1)
        ends[row : row + 1] = [start + width]
        placed.append((round(left, 1), row, round(start, 1), text))
    return len(ends), placed
