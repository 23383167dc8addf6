import pathlib
import re

import numpy as np
import pytest
from PIL import Image

import keras_reid.visualization
from keras_reid.visualization import draw_reliability
from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Chart, Line, Point
from keras_reid.visualization.chart_picture import _LINES, _dashed, draw_chart
from tests.evaluation.calibration.test_calibration import line

X, Y = Axis("x", 0, 1), Axis("y", 0, 1)
BLUE = (9, 105, 218)


def drawn(path, chart, **options):
    draw_chart(chart, path, **{"size": (300, 200), **options})
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def count(image, colour=BLUE, tolerance=40):
    return int((np.abs(image - colour).max(-1) <= tolerance).sum())


def test_a_line_is_where_its_shape_says(tmp_path):
    chart = Chart("title", (Line("level", ((0, 0.5), (1, 0.5))),), X, Y)
    image = drawn(tmp_path / "chart.png", chart)
    assert image.shape == (200, 300, 3)
    (curve,) = (shape for shape in chart.shapes(300, 200 - 52) if shape.role == "curve")
    (left, height), (right, _) = curve.points
    blue = np.abs(image - BLUE).max(-1) <= 40
    rows, columns = np.nonzero(blue)
    assert rows.mean() == pytest.approx(height + 52, abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((left, right), abs=1.5)


def test_areas_dots_and_guides(tmp_path):
    points = ((0, 0.2), (1, 0.8))
    plain, filled, dotted, faint = (
        drawn(tmp_path / "chart.png", Chart("t", (Line("n", points, **options),), X, Y))
        for options in ({}, {"filled": True}, {"dotted": True}, {"faint": True})
    )
    assert count(dotted) > count(plain) > 100
    assert count(faint) == 0
    tint = (200, 222, 246)
    assert count(filled, tint, 8) > 3000 > count(plain, tint, 8)


def test_a_legend_takes_a_row_and_names_all_lines(tmp_path):
    lines = tuple(Line(f"line {number}", ((0, number / 8), (1, number / 8))) for number in range(8))
    image = drawn(tmp_path / "chart.jpg", Chart("t", lines, X, Y), size=(900, 300))
    legend = image[52:74]
    for colour in _LINES[:6]:
        assert count(legend, tuple(bytes.fromhex(colour[1:])), 60) > 10


def test_dashes_go_around_corners():
    pieces = list(_dashed([(0, 0), (10, 0), (10, 10)], 6, 2))
    assert pieces == [[(0, 0), (6, 0)], [(8, 0), (10, 0)], [(10, 0), (10, 4)], [(10, 6), (10, 10)]]
    assert list(_dashed([(0, 0), (0, 0), (3, 0)], 6, 2)) == [[(0, 0), (3, 0)]]


def test_the_colours_are_those_of_the_pages():
    style = pathlib.Path(keras_reid.visualization.__file__).with_name("templates") / "style.css"
    light = style.read_text().partition("@media")[0]
    assert tuple(re.findall(r"--c\d: (#\w{6})", light)) == _LINES


def test_signs_that_the_font_lacks_are_written_out(tmp_path):
    def titled(title):
        return drawn(tmp_path / "chart.png", Chart(title, (), X, Y, points=(Point(0.5, 0.5),)))

    np.testing.assert_array_equal(titled("× 0.1 − 10⁻⁴"), titled("x 0.1 - 1e-4"))
    assert (titled("× 0.1") != titled("0.1")).any()


def row(rate, pairs=500):
    edges = {"lower": rate - 0.05, "upper": rate + 0.05}
    return {**edges, "predicted": rate, "observed": rate, "pairs": pairs, "deviation": 0.03}


def test_reliability_has_a_point_a_bin_and_few_pairs_are_hollow(tmp_path):
    path = tmp_path / "calibration.png"

    def blue(rows):
        draw_reliability(line(reliability=rows, fitted_on={"identities": 9}), path)
        with Image.open(path) as image:
            return count(np.asarray(image.convert("RGB")).astype(int))

    empty, few, one, two = map(blue, ([], [row(0.2, pairs=50)], [row(0.2)], [row(0.2), row(0.7)]))
    assert empty == 0 < few < one < two
    assert [file.name for file in tmp_path.iterdir()] == ["calibration.png"]
