"""Warm-up requests that TensorFlow Serving sends through a model before it serves traffic."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_reid.utils.optional import find, require


def check(precision: str, options: Any) -> None:
    """Checks, before the model is loaded, that warm-up requests can be written."""
    find("serving", "tensorflow_serving")


def write_warmup(
    directory: str | os.PathLike[str], image_size: tuple[int, int], batch_sizes: Sequence[int]
) -> None:
    """Writes `assets.extra/tf_serving_warmup_requests`, with one request of bytes and one of pixels per batch size.

    A signature's first run with a new batch size takes many times as long as later runs. TensorFlow Serving reads this
    file when it loads a version. With server-side batching, use the server's `allowed_batch_sizes`.

    The images are plain grey, which takes as long as any other: each request repeats one value, so the file stays
    small.

    Args:
        directory: folder of the SavedModel.
        image_size: `(height, width)` in pixels.
        batch_sizes: numbers of images in a request; each gets two requests, in ascending order.

    Raises:
        UserError: the package tensorflow-serving-api is missing.

    Example:
        >>> write_warmup("served", (256, 128), batch_sizes=(1, 8, 32))  # doctest: +SKIP
    """
    import tensorflow as tf

    apis = "tensorflow_serving.apis"
    predict, log = require("serving", f"{apis}.predict_pb2", f"{apis}.prediction_log_pb2")
    # Twice the size, to warm up resizing as well.
    jpeg = tf.io.encode_jpeg(
        tf.fill((2 * image_size[0], 2 * image_size[1], 3), tf.constant(127, tf.uint8))
    ).numpy()
    folder = pathlib.Path(directory) / "assets.extra"
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for count in sorted(set(batch_sizes)):
            for signature, name, value in (
                ("serving_default", "image_bytes", tf.make_tensor_proto(jpeg, shape=(count,))),
                ("pixels", "images", tf.make_tensor_proto(127, tf.uint8, (count, *image_size, 3))),
            ):
                request = predict.PredictRequest(inputs={name: value})
                request.model_spec.signature_name = signature
                record = log.PredictionLog(predict_log=log.PredictLog(request=request))
                writer.write(record.SerializeToString())
