"""Batch normalisation in training, in one operation where the backend has it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def normalize_over_batch(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalises a feature map with the statistics of its batch.

    `y = (x - μ) / sqrt(σ² + ε) · γ + β`, with the mean μ and the biased variance σ² over batch, height and width.
    TensorFlow has one operation for this and one for its gradient, which read the map a few times less than separate
    sums and products do. They treat the returned statistics as constants.

    Args:
        inputs: `(batch, height, width, channels)`, float16, bfloat16 or float32.
        gamma: float32 `(channels,)`.
        beta: float32 `(channels,)`.
        epsilon: number added to the variance.

    Returns:
        `(outputs, mean, variance)`: the first as the inputs, the others float32 `(channels,)`.

    Example:
        >>> maps = keras.random.normal((8, 16, 8, 4), mean=3.0, stddev=2.0)
        >>> outputs, mean, variance = normalize_over_batch(maps, keras.ops.ones(4), keras.ops.zeros(4), 1e-5)
        >>> [round(float(keras.ops.mean(one))) for one in (outputs, mean, variance)]
        [0, 3, 4]

    Source: Ioffe and Szegedy, "Batch normalization", 2015.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_reid.utils import batch_norm_tensorflow

        return batch_norm_tensorflow.normalize_over_batch(inputs, gamma, beta, epsilon)
    x = ops.cast(inputs, "float32")
    mean, variance = ops.moments(x, (0, 1, 2))
    outputs = ops.batch_normalization(x, mean, variance, -1, offset=beta, scale=gamma, epsilon=epsilon)
    return ops.cast(outputs, inputs.dtype), mean, variance
