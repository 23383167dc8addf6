import numpy as np
import pytest
from PIL import Image

from keras_reid.visualization.schedule_picture import draw_schedule

CURVE, MARK = (0x09, 0x69, 0xDA), (0xBC, 0x4C, 0x00)
STEPS = np.arange(1000)


def drawn(tmp_path, rates, steps=STEPS, **options):
    path = tmp_path / "schedule.png"
    draw_schedule(steps, rates, path, **{"steps_per_epoch": 100, **options})
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def curve(pixels):
    """The lowest and highest row of the curve in each column that it crosses, from the top."""
    rows, columns = np.nonzero((pixels == CURVE).all(-1))
    return {x: (rows[columns == x].min(), rows[columns == x].max()) for x in np.unique(columns)}


def test_a_curve_rises_and_falls_with_the_rate(tmp_path):
    found = curve(drawn(tmp_path, np.where(STEPS < 500, 1.0, 0.5)))
    columns = sorted(found)
    assert found[columns[10]][1] < found[columns[-10]][0]
    crossing = max(columns, key=lambda x: found[x][1] - found[x][0])
    assert abs(crossing - np.mean(columns)) < 5


def test_a_rate_that_falls_tenfold_twice_has_even_steps_on_a_logarithmic_axis(tmp_path):
    found = curve(drawn(tmp_path, 10.0 ** -(STEPS // 334)))
    columns = sorted(found)
    levels = [found[columns[len(columns) * part // 6]][0] for part in (1, 3, 5)]
    assert np.diff(levels)[0] == pytest.approx(np.diff(levels)[1], abs=2)


@pytest.mark.parametrize(
    "rates", [np.zeros(1000), np.ones(1000), np.linspace(1, 0, 1000), np.full(1000, 1e-9)]
)
def test_any_rates_can_be_drawn(rates, tmp_path):
    assert len(curve(drawn(tmp_path, rates))) > 500


def test_steps_need_not_be_even_nor_many(tmp_path):
    assert len(curve(drawn(tmp_path, [1.0, 2.0, 2.0], steps=[0, 1, 999]))) > 500
    drawn(tmp_path, [1.0], steps=[0], steps_per_epoch=3.5)


def test_marks_stand_where_they_are(tmp_path):
    pixels = drawn(tmp_path, np.ones(1000), marks=[(250, ""), (750, "")])
    columns = np.unique(np.nonzero((pixels == MARK).all(-1))[1])
    ends = sorted(curve(pixels))
    width = (ends[-1] - ends[0]) / 0.999
    np.testing.assert_allclose((columns - ends[0]) / width, [0.25, 0.75], atol=0.01)


def test_texts_of_close_marks_do_not_cover_each_other(tmp_path):
    texts = ["warm-up ends", "backbone learns"]
    close = drawn(tmp_path, np.ones(1000), marks=list(zip((500, 510), texts, strict=True)))
    apart = drawn(tmp_path, np.ones(1000), marks=list(zip((100, 510), texts, strict=True)))
    rows = [np.unique(np.nonzero((pixels == MARK).all(-1))[0]).max() for pixels in (close, apart)]
    assert rows[0] == rows[1]
    inked = [(pixels == MARK).all(-1).sum() for pixels in (close, apart)]
    # Only the second line is shorter by a row of text.
    assert abs(int(inked[0]) - int(inked[1])) < 25
