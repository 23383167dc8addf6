"""A SavedModel, run by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    import numpy as np


def load(artefact: str) -> Callable[[str, list[bytes], np.ndarray], np.ndarray]:
    served = tf.saved_model.load(artefact).signatures

    def answer(signature, encoded, pixels):
        if signature == "serving_default":
            outputs = served[signature](image_bytes=tf.constant(encoded))
        else:
            outputs = served[signature](images=tf.constant(pixels))
        return outputs["embedding"].numpy()

    return answer
