"""Numeric helpers shared by layers, heads and losses."""

import keras
from keras import ops

from keras_reid.utils.hints import Tensor

# Least squared norm: a zero vector stays zero, and its gradient stays below 1e6 instead of becoming NaN.
_SMALLEST_SQUARED_NORM = 1e-12


def at_least_float32(x: Tensor) -> Tensor:
    """`x` as float32, or unchanged if its type is wider; for computations where half precision is too coarse."""
    x = ops.convert_to_tensor(x)
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def softmax(x: Tensor, axis: int) -> Tensor:
    """Softmax along an axis of any length; Keras' own warns about length 1, which is normal here."""
    return ops.exp(x - ops.logsumexp(x, axis=axis, keepdims=True))


def l2_normalize(x: Tensor) -> Tensor:
    """Rows `x / max(||x||, 1e-6)` along the last axis, with a finite gradient everywhere."""
    squared_norm = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squared_norm, _SMALLEST_SQUARED_NORM))
