import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.data.decoding import decode_image
from keras_reid.data.resizing import resize_image
from keras_reid.embedding import l2_normalize
from keras_reid.evaluation import Calibration, calibrate
from keras_reid.export import export_savedmodel
from keras_reid.export.deployable import deployable
from keras_reid.export.pixel_function import pixel_function
from keras_reid.losses import CrossEntropy
from tests.evaluation.calibration.test_calibration import simulated
from tests.export.conftest import small_model

_MOST_BYTES = 100_000


def encoded(image, form):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = small_model()
    folder = tmp_path_factory.mktemp("export") / "served"
    export_savedmodel(model, folder, max_image_bytes=_MOST_BYTES, max_megapixels=0.02)
    return model, tf.saved_model.load(folder).signatures, folder


def test_pixels_of_any_number(exported):
    model, served, _ = exported
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 16, 3), np.uint8)
    expected = l2_normalize(model.predict(images, verbose=0))
    for n in (7, 1):
        embedding = served["pixels"](images=tf.constant(images[:n]))["embedding"]
        assert embedding.dtype == tf.float32
        np.testing.assert_allclose(embedding, expected[:n], atol=1e-6)
    assert served["pixels"](images=tf.constant(images[:0]))["embedding"].shape == (0, 8)


def test_bytes_of_any_size_and_number(exported):
    model, served, _ = exported
    rng = np.random.default_rng(0)
    same_size = [rng.integers(0, 256, (32, 16, 3), np.uint8) for _ in range(3)]
    embedding = served["serving_default"](image_bytes=tf.constant([encoded(x, "PNG") for x in same_size]))
    expected = l2_normalize(model.predict(np.stack(same_size), verbose=0))
    np.testing.assert_allclose(embedding["embedding"], expected, atol=1e-6)
    flat = [np.full(size, 90, np.uint8) for size in ((64, 64, 3), (5, 9, 3), (1, 1, 3), (100, 10))]
    mixed = [encoded(x, form) for x, form in zip(flat, ("PNG", "JPEG", "PNG", "JPEG"), strict=True)]
    embedding = served["serving_default"](image_bytes=tf.constant(mixed))["embedding"]
    grey = l2_normalize(model.predict(np.full((1, 32, 16, 3), 90, np.uint8), verbose=0))
    np.testing.assert_allclose(embedding, np.repeat(grey, 4, 0), atol=1e-5)
    none = tf.constant([], tf.string)
    assert served["serving_default"](image_bytes=none)["embedding"].shape == (0, 8)


def test_signatures_are_as_promised(exported):
    _, served, _ = exported
    assert set(served) == {"serving_default", "pixels", "decode", "metadata"}
    (text,) = served["serving_default"].structured_input_signature[1].values()
    (image,) = served["pixels"].structured_input_signature[1].values()
    assert (text.name, text.shape.as_list(), text.dtype) == ("image_bytes", [None], tf.string)
    assert (image.name, image.shape.as_list(), image.dtype) == ("images", [None, 32, 16, 3], tf.uint8)
    for name in ("serving_default", "pixels"):
        assert served[name].structured_outputs["embedding"].shape.as_list() == [None, 8]
    decoded = served["decode"].structured_outputs["images"]
    assert (decoded.shape.as_list(), decoded.dtype) == ([None, 32, 16, 3], tf.uint8)


def test_decodes_as_in_training(exported):
    rng = np.random.default_rng(0)
    sizes = ((64, 64), (5, 9), (32, 16), (100, 10), (33, 70))
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    data = [encoded(x, form) for x in images for form in ("JPEG", "PNG", "BMP")]
    decode = exported[1]["decode"]
    expected = [resize_image(decode_image(one), (32, 16)) for one in data]
    np.testing.assert_array_equal(decode(image_bytes=tf.constant(data))["images"], np.stack(expected))
    assert decode(image_bytes=tf.constant([], tf.string))["images"].shape == (0, 32, 16, 3)


@pytest.mark.parametrize("bad", [b"", b"no image", b"GIF89a........"])
def test_a_bad_image_is_named_by_its_row(exported, bad):
    good = encoded(np.zeros((4, 4, 3), np.uint8), "PNG")
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=rf"image_bytes\[2\] must be a JPEG.*{len(bad)} bytes"
    ):
        exported[1]["serving_default"](image_bytes=tf.constant([good, good, bad, good]))


@pytest.mark.parametrize("signature", ["serving_default", "decode"])
def test_a_truncated_image_is_refused(exported, signature):
    data = encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), "JPEG")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"image_bytes\[1\] must be a complete file"):
        exported[1][signature](image_bytes=tf.constant([data, data[: len(data) // 2]]))


def test_limits_travel_along(exported):
    served = exported[1]
    decode = served["decode"]
    small = encoded(np.zeros((100, 200, 3), np.uint8), "PNG")
    assert decode(image_bytes=tf.constant([small]))["images"].shape == (1, 32, 16, 3)
    for data, message in (
        (encoded(np.zeros((101, 200, 3), np.uint8), "PNG"), "0.02 megapixels. Received: 200 x 101 pixels"),
        (small + b"\0" * _MOST_BYTES, f"{_MOST_BYTES} bytes. Received: {len(small) + _MOST_BYTES} bytes"),
    ):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=rf"image_bytes\[0\] must have at most {message}"
        ):
            decode(image_bytes=tf.constant([data]))
    told = json.loads(describe(served)["metadata"])
    assert (told["max_image_bytes"], told["max_megapixels"]) == (_MOST_BYTES, 0.02)


def describe(served, rows=2):
    """The output of the signature `metadata`, which is the same for each row."""
    outputs = served["metadata"](rows=tf.zeros(rows, tf.uint8))
    assert {tuple(values.shape) for values in outputs.values()} == {(rows,)}
    for values in outputs.values():
        np.testing.assert_array_equal(values[0].numpy(), values[1].numpy())
    return {name: values[0].numpy() for name, values in outputs.items()}


def test_metadata_travels_along(exported):
    model, served, folder = exported
    told = json.loads(describe(served)["metadata"])
    assert told == json.loads((folder / "assets" / "metadata.json").read_text())
    assert told["embedding_dim"] == 8
    assert {key: told[key] for key in model.metadata} == model.metadata
    assert told["precision"] == "float32"
    threshold = describe(served)["threshold"]
    assert threshold.dtype == np.float32
    assert np.isnan(threshold)


def test_the_calibration_travels_along(tmp_path, model):
    calibration = calibrate(*simulated(20), false_positive_rate=0.01)
    model.metadata.update(calibration.to_metadata())
    export_savedmodel(model, tmp_path / "served")
    outputs = describe(tf.saved_model.load(tmp_path / "served").signatures)
    served = outputs["metadata"]
    assert outputs["threshold"] == np.float32(calibration.threshold)
    told = Calibration.from_metadata(json.loads(served))
    assert json.loads(served)["threshold"] == calibration.threshold
    assert told.verdict(0.2, prior=0.5) == calibration.verdict(0.2, prior=0.5)
    assert told.fitted_on == calibration.fitted_on


def test_holds_each_weight_once_and_no_class_weights(tmp_path):
    model = small_model(num_classes=20000)
    model.compile("adam", losses=[CrossEntropy()])
    export_savedmodel(model, tmp_path / "served")
    stored = tf.train.list_variables(str(tmp_path / "served" / "variables" / "variables"))
    sizes = [np.prod(shape, dtype=int) for name, shape in stored if "OBJECT_GRAPH" not in name]
    # Kernel, bias and offset of the convolution, the exponent, and four vectors of the neck.
    assert sum(sizes) == 27 * 8 + 8 + 8 + 1 + 4 * 8


def test_carries_warmup_requests(exported):
    assert (exported[2] / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_a_row_of_zeros_stays_finite(model):
    for name in ("gamma", "beta"):
        variable = getattr(model.head.neck, name)
        variable.assign(np.zeros(variable.shape))
    embedding = pixel_function(deployable(model))(tf.zeros((2, 32, 16, 3), tf.uint8))["embedding"].numpy()
    assert (embedding == 0).all()
