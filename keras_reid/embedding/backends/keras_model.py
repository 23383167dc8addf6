"""A Keras model behind an `Embedder`: one compiled function for every batch size."""

from __future__ import annotations

import copy
import itertools
import json
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.backends.backend import Backend, fingerprint_of
from keras_reid.embedding.tensorflow_reader import TensorFlowReader
from keras_reid.utils.errors import UserError

# Compiling takes seconds, so whatever embeds with one model shares its network; it goes when the model does.
_NETWORKS: weakref.WeakKeyDictionary[Any, Network] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


class KerasModel(Backend):
    """Raw embeddings of a `ReIDModel`, those of `model.predict`. Weights that change later count at once.

    Args:
        model: a Keras model with `image_size` and `metadata`, such as a `ReIDModel`.

    Raises:
        UserError: it is anything else.
    """

    normalized = False

    def __init__(self, model: Any) -> None:
        metadata = getattr(model, "metadata", None)
        if not (callable(model) and isinstance(metadata, dict) and "image_size" in metadata):
            raise UserError(
                "an Embedder needs a loaded ReIDModel, or the path of a SavedModel, an ONNX or a LiteRT file. "
                f"Received: {type(model).__name__}."
            )
        self.model = model
        self._network = network(model)
        super().__init__(metadata, self._network.dim)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._network(pixels)

    def reader(self) -> TensorFlowReader:
        return TensorFlowReader(self.image_size)

    def fingerprint(self) -> str:
        import keras

        config = copy.deepcopy(keras.saving.serialize_keras_object(self.model))
        for name in ("compile_config", "build_config"):
            config.pop(name, None)
        for name in ("calibration", "threshold"):  # they change no embedding
            config["config"].get("metadata", {}).pop(name, None)
        weights = (np.asarray(variable).tobytes() for variable in self.model.weights)
        return fingerprint_of(itertools.chain([json.dumps(config, sort_keys=True).encode()], weights))


def network(model: Any) -> Network:
    """The `Network` of a Keras model, compiled once.

    Args:
        model: a Keras model with `image_size`.
    """
    with _LOCK:
        if model not in _NETWORKS:
            _NETWORKS[model] = Network(model)
        return _NETWORKS[model]


class Network:
    """A Keras model's inference as one TensorFlow function, traced once for all batch sizes.

    Calling it maps uint8 pixels `(n, height, width, 3)`, n at least 1, to raw embeddings, float32 `(n, dim)`: the
    arithmetic of `model.predict_on_batch`, without what Keras does around it.

    Args:
        model: a Keras model with `image_size`. It may be deleted while this lives, but not used then.
    """

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        itself: Any = weakref.ref(model)  # the dictionary must not keep the model alive through its own value

        def embed(images: Any) -> Any:
            return tf.cast(itself()(images, training=False), tf.float32)

        spec = tf.TensorSpec((None, *model.image_size, 3), tf.uint8)
        self._function = tf.function(embed, [spec], autograph=False).get_concrete_function()
        self.dim = int(self._function.structured_outputs.shape[-1])

    def __call__(self, pixels: Any) -> NDArray[np.float32]:
        import tensorflow as tf

        return self._function(tf.convert_to_tensor(pixels)).numpy()
