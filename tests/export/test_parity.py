import importlib.machinery
import json

import numpy as np
import pytest

from keras_reid.evaluation import l2_normalize
from keras_reid.export import ParityError, export_savedmodel, parity, verify_savedmodel
from keras_reid.export.fresh_process import _Without


def test_a_good_artefact_passes_where_keras_is_missing(model, tmp_path):
    export_savedmodel(model, tmp_path / "served")
    told = verify_savedmodel(model, tmp_path / "served")
    assert told == json.loads((tmp_path / "served" / "parity.json").read_text())
    assert told["verified"] is True
    assert 0 <= told["max_difference"] <= told["tolerance"] == 1e-5
    compared = {(batch["signature"], batch["batch_size"]) for batch in told["batches"]}
    assert compared == {(name, n) for name in ("serving_default", "pixels") for n in (1, 7, 32)}
    assert set(told["versions"]) == {"keras_reid", "keras", "tensorflow", "python"}


def test_an_artefact_that_does_not_run_is_refused(model, tmp_path):
    with pytest.raises(ParityError, match="does not run in a process of its own"):
        verify_savedmodel(model, tmp_path / "nothing")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.full((1, 8), np.nan), "differ from the model's by up to nan"),
        (np.zeros((1, 9)), "gives the shape"),
    ],
)
def test_nan_and_wrong_shapes_are_refused(model, tmp_path, monkeypatch, answer, message):
    def broken(directory, images, pixels):
        return {
            f"{name} {start}": np.repeat(answer, stop - start, 0)
            for start, stop in parity._BATCHES
            for name in ("serving_default", "pixels")
        }

    monkeypatch.setattr(parity, "_answers", broken)
    with pytest.raises(ParityError, match=message):
        verify_savedmodel(model, tmp_path)


def test_the_tolerance_decides(model, tmp_path, monkeypatch):
    def near(directory, images, pixels):
        exact = l2_normalize(model.predict(pixels, verbose=0))
        return {
            f"{name} {start}": exact[start:stop] + np.float32(1e-4)
            for start, stop in parity._BATCHES
            for name in ("serving_default", "pixels")
        }

    monkeypatch.setattr(parity, "_answers", near)
    with pytest.raises(ParityError, match=r"differ from the model's by up to 0\.0001, and at most 1e-05"):
        verify_savedmodel(model, tmp_path)
    assert not (tmp_path / "parity.json").exists()
    told = verify_savedmodel(model, tmp_path, tolerance=1e-3)
    assert told["max_difference"] == pytest.approx(1e-4, rel=0.01)


def test_a_diverged_model_is_refused(model, tmp_path):
    model.head.neck.gamma.assign(np.full(8, np.nan))
    with pytest.raises(ParityError, match="the model itself gives NaN"):
        verify_savedmodel(model, tmp_path)


def test_the_fresh_process_has_no_keras():
    finder = _Without(importlib.machinery.PathFinder)
    for name in ("keras", "keras.layers", "keras_reid.export"):
        assert finder.find_spec(name) is None
    assert finder.find_spec("numpy").name == "numpy"


def test_images_are_varied_and_the_same_each_time():
    images = parity._test_images((32, 16))
    assert images == parity._test_images((32, 16))
    assert len(set(images)) == 41
    assert {data[:3] for data in images} == {b"\xff\xd8\xff", b"\x89PN"}
