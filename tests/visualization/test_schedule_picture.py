import numpy as np
import pytest
from PIL import Image

from keras_reid.visualization.schedule_picture import draw_schedule, schedule_chart

STEPS = np.arange(1000)


def curve(rates, steps=STEPS, steps_per_epoch=100):
    (shape,) = (
        shape for shape in schedule_chart(steps, rates, steps_per_epoch).shapes() if shape.role == "curve"
    )
    return np.array(shape.points)


def test_a_curve_rises_and_falls_with_the_rate():
    points = curve(np.where(STEPS < 500, 1.0, 0.5))
    heights = points[:, 1]
    assert len(set(heights[:500])) == len(set(heights[500:])) == 1
    assert heights[0] < heights[-1]  # counted from the top
    assert points[500, 0] == pytest.approx(points[[0, -1], 0].mean(), abs=1)


def test_a_rate_that_falls_tenfold_twice_has_even_steps_on_a_logarithmic_axis():
    first, second, third = curve(10.0 ** -(STEPS // 334))[[100, 500, 900], 1]
    assert second - first == pytest.approx(third - second, abs=0.2)


def test_an_axis_is_linear_where_the_rate_ends_at_zero():
    first, second, third = curve(np.linspace(1, 1e-9, 1000))[[0, 500, 999], 1]
    assert second - first == pytest.approx(third - second, abs=1)


@pytest.mark.parametrize(
    "rates", [np.zeros(1000), np.ones(1000), np.linspace(1, 0, 1000), np.full(1000, 1e-9)]
)
def test_any_rates_can_be_drawn(rates, tmp_path):
    draw_schedule(STEPS, rates, tmp_path / "schedule.png", 100)
    with Image.open(tmp_path / "schedule.png") as image:
        assert image.size == (1100, 480)
    assert np.isfinite(curve(rates)).all()


def test_steps_need_not_be_even_nor_many(tmp_path):
    points = curve([1.0, 2.0, 2.0], steps=[0, 1, 999])
    assert points[1, 0] - points[0, 0] == pytest.approx((points[2, 0] - points[0, 0]) / 999, abs=0.1)
    draw_schedule([0], [1.0], tmp_path / "schedule.png", steps_per_epoch=3.5)


def test_marks_stand_where_they_are():
    chart = schedule_chart(STEPS, np.ones(1000), 100, [(250, "quarter"), (750, "three quarters")])
    lines = [shape for shape in chart.shapes() if shape.role == "mark"]
    left, right = curve(np.ones(1000))[[0, -1], 0]
    places = [(line.points[0][0] - left) / (right - left) for line in lines]
    assert places == pytest.approx([0.25, 0.75], abs=0.002)
