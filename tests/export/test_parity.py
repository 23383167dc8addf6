import importlib.machinery
import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_reid.export import ParityError, export_savedmodel, parity, parity_images
from keras_reid.export.fresh_process import _Without
from keras_reid.export.hashes import file_hashes
from tests.export.conftest import small_model


@pytest.fixture(scope="module")
def images():
    """The test images for `small_model`, and its embeddings."""
    return parity.test_images(small_model())


@pytest.mark.medium
@pytest.mark.usefixtures("own_process")
def test_a_good_artefact_passes_where_keras_is_missing(model, images, tmp_path):
    export_savedmodel(model, tmp_path / "served", batch_sizes=())
    told = parity.verify(images, tmp_path / "served", facts={"sensors": 3})
    assert told == json.loads((tmp_path / "served" / "parity.json").read_text())
    assert told["verified"] is True
    assert told["sensors"] == 3
    assert told["sha256"] == file_hashes(tmp_path / "served")
    assert 0 <= told["max_difference"] <= told["tolerance"] == 1e-4
    assert told["images"] == {"real": 0, "generated": 41}
    compared = {(batch["signature"], batch["batch_size"]) for batch in told["batches"]}
    assert compared == {(name, n) for name in ("serving_default", "pixels") for n in (1, 7, 32)}
    assert set(told["versions"]) == {"keras_reid", "keras", "tensorflow", "python"}


def test_an_artefact_that_does_not_run_is_refused(images, tmp_path):
    with pytest.raises(ParityError, match=r"does not run in a separate process: .*SavedModel"):
        parity.verify(images, tmp_path / "nothing")


@pytest.mark.medium
@pytest.mark.usefixtures("own_process")
def test_so_it_is_by_a_new_process(images, tmp_path):
    with pytest.raises(ParityError, match=r"does not run in a separate process: .*SavedModel"):
        parity.verify(images, tmp_path / "nothing")


def answering(monkeypatch, change):
    """Makes the artefact return `change(the model's embeddings)`."""

    def answers(directory, images, runner, signatures):
        return {
            f"{name} {start}": change(images.expected[start:stop])
            for start, stop in parity.BATCHES
            for name in signatures
        }

    monkeypatch.setattr(parity, "_answers", answers)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16", "int8"])
def test_nan_and_wrong_shapes_are_refused(images, tmp_path, monkeypatch, precision):
    for change, message in (
        (lambda rows: rows * np.nan, "nan"),
        (lambda rows: rows[:, 1:], "returns the shape"),
        (lambda rows: rows[1:], "returns the shape"),
    ):
        answering(monkeypatch, change)
        with pytest.raises(ParityError, match=message):
            parity.verify(images, tmp_path, precision=precision)
    assert not (tmp_path / "parity.json").exists()


def test_the_tolerance_decides(images, tmp_path, monkeypatch):
    answering(monkeypatch, lambda rows: rows + np.float32(1e-3))
    with pytest.raises(ParityError, match=r"differ from the model's by up to 0\.001, but at most 0.0001"):
        parity.verify(images, tmp_path)
    assert not (tmp_path / "parity.json").exists()
    told = parity.verify(images, tmp_path, tolerance=1e-2)
    assert told["max_difference"] == pytest.approx(1e-3, rel=0.01)


def turned(cosine):
    """Rows with the given cosine to the given rows, and the same length."""

    def turn(rows):
        other = np.roll(rows, 1, axis=1)
        other -= (other * rows).sum(1, keepdims=True) * rows
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        return cosine * rows + np.sqrt(1 - cosine**2) * other

    return turn


@pytest.mark.parametrize(("precision", "least"), [("bfloat16", 0.9995), ("float16", 0.9995), ("int8", 0.99)])
def test_the_cosine_decides_in_lower_precisions(images, tmp_path, monkeypatch, precision, least):
    answering(monkeypatch, turned(least + 1e-4))
    told = parity.verify(images, tmp_path, precision=precision)
    assert told["least_cosine"] == least
    assert told["min_cosine"] == pytest.approx(least + 1e-4, abs=1e-5)
    answering(monkeypatch, turned(least - 1e-4))
    with pytest.raises(ParityError, match=f"at least {least} is needed in {precision}"):
        parity.verify(images, tmp_path, precision=precision)
    answering(monkeypatch, lambda rows: 2 * rows)
    with pytest.raises(ParityError, match="must have length 1, but they are off by up to 1"):
        parity.verify(images, tmp_path, precision=precision)


def test_only_the_signatures_that_are_named_are_asked(images, tmp_path, monkeypatch):
    answering(monkeypatch, lambda rows: rows)
    told = parity.verify(images, tmp_path, runner="onnx", signatures=("pixels",))
    assert {batch["signature"] for batch in told["batches"]} == {"pixels"}


def test_a_diverged_model_is_refused(model):
    model.head.neck.gamma.assign(np.full(8, np.nan))
    with pytest.raises(ParityError, match="the model itself returns NaN"):
        parity.test_images(model)


def test_a_model_in_half_precision_is_asked_in_float32(model, images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_model()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    np.testing.assert_allclose(parity.test_images(mixed).expected, images.expected, atol=1e-6)


def test_the_fresh_process_has_no_keras():
    finder = _Without(importlib.machinery.PathFinder)
    for name in ("keras", "keras.layers", "keras_reid.export"):
        assert finder.find_spec(name) is None
    assert finder.find_spec("numpy").name == "numpy"


def test_images_are_varied_and_the_same_each_time():
    images = parity_images.generated_images((32, 16))
    assert images == parity_images.generated_images((32, 16))
    assert len(set(images)) == 41
    assert {data[:3] for data in images} == {b"\xff\xd8\xff", b"\x89PN"}


@pytest.mark.parametrize("count", [1, 5, 100])
def test_real_images_are_taken_where_there_are_some(model, tmp_path, count):
    paths = [tmp_path / f"{index:03d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(np.full((9, 9, 3), index, np.uint8)).save(path)
    images = parity.test_images(model, paths)
    assert images.real == min(count, 21)
    contents = [path.read_bytes() for path in paths]
    assert sum(data in contents for data in images.encoded) == images.real
    # Taken evenly from the list, and mixed with noise in each batch.
    assert images.encoded[0] == contents[0]
    assert images.encoded[40] == contents[80] if count == 100 else images.encoded[40] not in contents
