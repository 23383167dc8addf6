"""TensorFlow's part of `keras_reid.utils.batch_norm`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def normalize_over_batch(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """As `keras_reid.utils.batch_norm.normalize_over_batch`."""
    unused = tf.zeros((0,), tf.float32)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=unused, variance=unused, epsilon=epsilon, is_training=True
    )
    # The operation's variance is the unbiased one: it divides by n - 1.
    count = tf.cast(tf.size(inputs) // tf.size(gamma), tf.float32)
    return outputs, mean, variance * ((count - 1.0) / count)
