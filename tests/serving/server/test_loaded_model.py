import json

import numpy as np
import pytest

from keras_reid.serving.server.loaded_model import LoadedModel
from keras_reid.serving.server.serving_error import ServingError
from keras_reid.serving.server.warmup import warm_up
from tests.serving import tiny
from tests.serving.conftest import jpeg


@pytest.fixture(scope="module")
def exported(savedmodel):
    return LoadedModel(savedmodel)


def test_an_exported_model_decodes_each_request_and_merges_pixels(exported):
    bytes_route, pixels_route = exported.route("serving_default"), exported.route("pixels")
    assert bytes_route.decode
    assert bytes_route.merged is pixels_route.merged is pixels_route.signature
    files = np.array([jpeg(seed) for seed in range(3)], object)
    answer = bytes_route({"image_bytes": files})["embedding"]
    np.testing.assert_allclose(answer, bytes_route.signature({"image_bytes": files})["embedding"], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(answer, axis=1), 1, rtol=1e-5)
    assert "image_size" in json.loads(
        exported.route("metadata")({"rows": np.zeros(1, np.uint8)})["metadata"].item()
    )


@pytest.mark.parametrize("data", [b"", b"nothing", jpeg()[:200]])
def test_a_bad_image_is_named_by_its_row(exported, data):
    files = np.array([jpeg(), jpeg(1), data], object)
    with pytest.raises(ServingError, match=r"image_bytes\[2\]") as raised:
        exported.route("serving_default")({"image_bytes": files})
    assert raised.value.code == "INVALID_ARGUMENT"
    assert "{{" not in raised.value.message
    assert "\n" not in raised.value.message


def test_without_a_decode_signature_bytes_are_not_merged(tmp_path):
    tiny.write(tmp_path / "1", decode=False)
    model = LoadedModel(tmp_path / "1")
    assert model.route("serving_default").merged is None
    assert model.route("pixels").merged
    warm_up(model, tmp_path / "1")


def stored(folder, *requests):
    """Writes the warm-up requests that TensorFlow Serving replays."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    (folder / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for name, inputs in requests:
            message = predict_pb2.PredictRequest()
            message.model_spec.signature_name = name
            for key, value in inputs.items():
                message.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=message))
            writer.write(log.SerializeToString())


def test_warm_up_runs_the_requests_stored_with_the_model(tmp_path, monkeypatch):
    tiny.write(tmp_path / "1")
    images = np.zeros((4, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)
    stored(tmp_path / "1", ("pixels", {"images": images}), ("pixels", {"images": images[:2]}))
    model = LoadedModel(tmp_path / "1")
    ran = []
    monkeypatch.setattr(model, "route", lambda name: Recorded(LoadedModel.route(model, name), ran))
    warm_up(model, tmp_path / "1")
    assert ran == [("pixels", 4), ("pixels", 2)]


class Recorded:
    def __init__(self, route, ran):
        self.signature, self.ran = route.signature, ran

    def __call__(self, inputs):
        self.ran.append((self.signature.name, len(inputs["images"])))


def test_a_model_that_fails_on_its_own_requests_is_not_served(tmp_path):
    tiny.write(tmp_path / "1")
    stored(tmp_path / "1", ("checked", {"images": np.full((1, tiny.HEIGHT, tiny.WIDTH, 3), 13, np.uint8)}))
    with pytest.raises(ServingError, match="unlucky pixel"):
        warm_up(LoadedModel(tmp_path / "1"), tmp_path / "1")


@pytest.mark.parametrize("content", [None, b"", b"\x00broken"])
def test_what_is_no_savedmodel_raises(tmp_path, content):
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(Exception, match=r"saved_model\.pb|parsing|serve"):
        LoadedModel(tmp_path)
