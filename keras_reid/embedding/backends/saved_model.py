"""A SavedModel behind an `Embedder`."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.backends.backend import Backend, fingerprint_of, names_and_contents
from keras_reid.embedding.tensorflow_reader import TensorFlowReader
from keras_reid.utils.errors import UserError


class SavedModel(Backend):
    """The signature `pixels` of a folder that `keras-reid export --format savedmodel` wrote.

    Args:
        folder: it holds `saved_model.pb`.

    Raises:
        UserError: it cannot be loaded, or something else wrote it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        import tensorflow as tf

        self._folder = pathlib.Path(folder)
        try:
            self._loaded = tf.saved_model.load(str(folder))  # kept, because it holds the variables
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"{folder}: the SavedModel cannot be loaded: {str(error).splitlines()[0]}"
            ) from None
        signatures = self._loaded.signatures
        if not {"pixels", "metadata"} <= set(signatures):
            raise UserError(
                f"{folder}: must be a SavedModel from `keras-reid export`, with the signatures pixels and "
                f"metadata. Received: {', '.join(sorted(signatures)) or 'none'}."
            )
        self._function = signatures["pixels"]
        described = signatures["metadata"](rows=tf.zeros(1, tf.uint8))["metadata"]
        metadata = json.loads(described[0].numpy())
        super().__init__(metadata, metadata["embedding_dim"])

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        import tensorflow as tf

        return self._function(images=tf.constant(pixels))["embedding"].numpy()

    def reader(self) -> TensorFlowReader:
        return TensorFlowReader(self.image_size)

    def fingerprint(self) -> str:
        weights = sorted((self._folder / "variables").iterdir())
        return fingerprint_of(names_and_contents([self._folder / "saved_model.pb", *weights]))
