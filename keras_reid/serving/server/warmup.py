"""Warms up a version before it serves requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from keras_reid.serving.server.loaded_model import LoadedModel

_FILE = "assets.extra/tf_serving_warmup_requests"
_MOST_ROWS = 1 << 20


def warm_up(model: LoadedModel, path: Path) -> None:
    """Runs the requests stored with the model, as TensorFlow Serving does, or one row of zeros per signature.

    Args:
        model: `LoadedModel`.
        path: its folder; `assets.extra/tf_serving_warmup_requests` contains records of type `PredictionLog`.

    Raises:
        ServingError, ValueError: the model fails on one of its own requests and must not be served.
    """
    file = path / _FILE
    if file.is_file():
        for name, inputs in _stored(model, file):
            model.route(name)(inputs)
        return
    for route in model.routes.values():
        if route.merged is route.signature:
            route(
                {key: np.zeros((1, *spec.shape[1:]), spec.dtype) for key, spec in route.merged.inputs.items()}
            )


def _stored(model, file):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    from keras_reid.serving.server.proto_tensors import read_inputs

    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") != "predict_log":
            continue
        request = log.predict_log.request
        name = request.model_spec.signature_name or "serving_default"
        yield name, read_inputs(request.inputs, model.route(name).signature.inputs, _MOST_ROWS)
