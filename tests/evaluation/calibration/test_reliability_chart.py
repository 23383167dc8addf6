import numpy as np
from PIL import Image

from keras_reid.evaluation.calibration.reliability_chart import draw_reliability
from tests.evaluation.calibration.test_calibration import line


def row(rate, pairs=500):
    edges = {"lower": rate - 0.05, "upper": rate + 0.05}
    return {**edges, "predicted": rate, "observed": rate, "pairs": pairs, "deviation": 0.03}


def drawn(path, rows):
    draw_reliability(line(reliability=rows, fitted_on={"identities": 9}), path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_each_bin_is_a_point_and_few_pairs_are_hollow(tmp_path):
    path = tmp_path / "calibration.png"
    empty, one, two = (drawn(path, rows) for rows in ([], [row(0.2)], [row(0.2), row(0.7)]))
    few = drawn(path, [row(0.2, pairs=50)])
    blue = [((image == (9, 105, 218)).all(axis=-1)).sum() for image in (empty, few, one, two)]
    assert blue[0] == 0 < blue[1] < blue[2] < blue[3]
    assert [file.name for file in tmp_path.iterdir()] == ["calibration.png"]
