import json

import numpy as np
import pytest

from keras_reid.embedding import l2_normalize
from keras_reid.export import litert
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model
from tests.export.formats import context


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The model, and its artefact's folder in one precision."""
    model = small_model()
    base = tmp_path_factory.mktemp("litert")
    told = {}

    def folder(precision):
        if precision not in told:
            images = base if precision == "int8" else None
            told[precision] = litert.write(model, base / precision, precision, context(model, images))
        return base / precision, told[precision]

    return model, folder


def interpreter(folder):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(folder / "model.tflite"))


def tensors(folder):
    return {entry["name"]: entry for entry in interpreter(folder).get_tensor_details()}


def test_float32_gives_the_models_embeddings_for_any_number(written):
    model, folder = written
    path, told = folder("float32")
    assert told["verified"] is True
    assert told["max_difference"] <= 1e-5
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 16, 3), np.uint8)
    expected = l2_normalize(model.predict(images, verbose=0))
    answer = interpreter(path).get_signature_runner("pixels")(images=images)["embedding"]
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_the_interface(written):
    path, _ = written[1]("float32")
    runner = interpreter(path).get_signature_runner("pixels")
    (images,), (embedding,) = runner.get_input_details().values(), runner.get_output_details().values()
    assert images["dtype"] is np.uint8
    assert images["shape_signature"].tolist() == [-1, 32, 16, 3]
    assert embedding["dtype"] is np.float32
    metadata = json.loads((path / "metadata.json").read_text())
    assert metadata["image_size"] == [32, 16]
    assert metadata["threshold"] is None


def test_setting_tensors_by_hand_needs_a_resize(written):
    path, _ = written[1]("float32")
    images = np.zeros((3, 32, 16, 3), np.uint8)
    by_hand = interpreter(path)
    (place,) = (entry["index"] for entry in by_hand.get_input_details())
    by_hand.resize_tensor_input(place, images.shape)
    by_hand.allocate_tensors()
    by_hand.set_tensor(place, images)
    by_hand.invoke()
    assert by_hand.get_tensor(by_hand.get_output_details()[0]["index"]).shape == (3, 8)


def test_float16_stores_half(written):
    path, told = written[1]("float16")
    assert told["min_cosine"] >= 0.9995
    assert np.float16 in {entry["dtype"] for entry in tensors(path).values()}


def test_int8_keeps_pixels_and_embedding(written):
    path, told = written[1]("int8")
    assert told["min_cosine"] >= 0.99
    assert told["map_loss"] is None
    assert np.int8 in {entry["dtype"] for entry in tensors(path).values()}
    runner = interpreter(path).get_signature_runner("pixels")
    (images,), (embedding,) = runner.get_input_details().values(), runner.get_output_details().values()
    assert (images["dtype"], embedding["dtype"]) == (np.uint8, np.float32)


def test_int8_needs_images(model, tmp_path):
    with pytest.raises(UserError, match="--calibration-images"):
        litert.write(model, tmp_path / "int8", "int8", context(model))


def test_int8_without_pixels_is_refused_before_anything_is_converted(tmp_path):
    with pytest.raises(UserError, match=r"int8 needs `calibration`, typical pixels.* Received: None"):
        litert.export_litert(None, tmp_path / "model.tflite", "int8")
    assert not any(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_extra(model, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match=r"pip install 'keras_reid\[litert\]'"):
        litert.write(model, tmp_path / "float32", "float32", context(model))
