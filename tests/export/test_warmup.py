import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_reid.data.decoding import decode_image
from keras_reid.export import warmup
from keras_reid.utils.errors import UserError


def requests(folder):
    records = tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests"))
    return [PredictionLog.FromString(record.numpy()).predict_log.request for record in records]


def test_a_pair_of_requests_for_each_size(tmp_path):
    warmup.write_warmup(tmp_path, (32, 16), (8, 1, 8))
    found = requests(tmp_path)
    assert [request.model_spec.signature_name for request in found] == ["serving_default", "pixels"] * 2
    for count, of_bytes, of_pixels in ((1, *found[:2]), (8, *found[2:])):
        data = tf.make_ndarray(of_bytes.inputs["image_bytes"])
        assert data.shape == (count,)
        assert decode_image(data[-1]).shape == (64, 32, 3)
        pixels = tf.make_ndarray(of_pixels.inputs["images"])
        assert (pixels.shape, pixels.dtype) == ((count, 32, 16, 3), np.uint8)


def test_stays_small(tmp_path):
    warmup.write_warmup(tmp_path, (256, 128), (1, 64))
    size = (tmp_path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size
    assert size < 20_000


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_serving.apis.predict_pb2", None)
    with pytest.raises(UserError, match="tensorflow_serving"):
        warmup.write_warmup(tmp_path, (32, 16), (1,))
