"""How well the vectors of one feature map can be reconstructed from those of another, on TensorFlow."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray


@functools.cache
def _functions():
    """The two steps as compiled functions: `(bases, residuals)`. Loads TensorFlow."""
    import tensorflow as tf

    def unit(maps):
        squares = tf.reduce_sum(tf.square(maps), axis=-1, keepdims=True)
        return tf.math.divide_no_nan(maps, tf.sqrt(squares))

    @tf.function(input_signature=[tf.TensorSpec((None, None, None)), tf.TensorSpec((), tf.float64)])
    def bases(maps, ridge):
        # float64: the condition number is about positions / ridge.
        vectors = unit(tf.cast(maps, tf.float64))
        gram = tf.matmul(vectors, vectors, transpose_b=True)
        inverse = tf.linalg.inv(gram + ridge * tf.eye(tf.shape(gram)[-1], dtype=tf.float64))
        kernel = inverse + ridge * tf.matmul(inverse, inverse)
        root = tf.linalg.cholesky((kernel + tf.linalg.matrix_transpose(kernel)) / 2)
        return tf.cast(tf.matmul(root, vectors, transpose_a=True), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None)), tf.TensorSpec((None, None))])
    def residuals(maps, basis):
        vectors = unit(maps)
        explained = tf.reduce_sum(tf.square(tf.tensordot(vectors, basis, [[2], [1]])), axis=-1)
        return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(vectors), axis=-1) - explained, 0))

    return bases, residuals


def reconstruction_bases(maps: NDArray[Any], ridge: float) -> NDArray[np.float32]:
    """What `residual_norms` needs of gallery maps.

    For a map G (positions × channels, rows of unit length) and a vector q of unit length, ridge regression
    reconstructs q by `Gᵀ A⁻¹ b`, `A = G Gᵀ + ridge · I`, `b = G q`. The square of what is left is
    `|q|² − bᵀ (A⁻¹ + ridge · A⁻²) b`, so that with the Cholesky root L of the matrix in the middle it is
    `|q|² − |(Lᵀ G) q|²`: one matrix product for each pair of maps, without solving anything.

    Args:
        maps: `(items, positions, channels)`.
        ridge: above 0.

    Returns:
        `(items, positions, channels)` float32, `Lᵀ G`.
    """
    return _functions()[0](maps, np.float64(ridge)).numpy()


def residual_norms(maps: NDArray[np.float32], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of each vector of some maps after its reconstruction from one gallery map.

    Args:
        maps: `(queries, positions, channels)`.
        basis: `(gallery positions, channels)`, of `reconstruction_bases`.

    Returns:
        `(queries, positions)` float32, 0…1. Good to 1e-6, near 0 to about 1e-3 (it is the root of a difference).
    """
    return _functions()[1](maps, basis).numpy()
