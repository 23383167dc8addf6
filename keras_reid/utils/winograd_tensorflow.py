"""Winograd's convolution with kernels of 3×3: a quarter of the multiplications, as TensorFlow operations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

_KERNEL = 3
# Outputs of one tile, in rows and in columns, which need 6 inputs and 6 products instead of 12.
_TILE = 4
_INPUTS = _TILE + _KERNEL - 1
# Where the polynomials are evaluated, beside infinity. Of the sets that were tried, these round least: 1, 2 and ½ give
# twice the error.
_POINTS = (0, 5 / 8, -5 / 8, 3 / 2, -3 / 2)


class Transform(NamedTuple):
    """Matrices for the rows or the columns of a map, of `(products · tiles, size)`."""

    inputs: np.ndarray
    outputs: np.ndarray


def winograd_convolution(x: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """A convolution with a kernel of 3×3, stride 1 and padding "same", and its gradients.

    Y = Aᵀ[(G k Gᵀ) ⊙ (B d Bᵀ)]A for each tile of 4×4 outputs Y and the 6×6 inputs d below it: 36 products of channels
    with filters take the place of 144. They are 36 products of matrices, as all tiles of all images share them. Each
    step is linear, so the gradients are the same steps transposed, in reverse order, with as few multiplications.

    Outputs and gradients are those of the plain convolution within rounding. The error relative to exact arithmetic is
    some 2e-6, two or three times that of TensorFlow's own.

    Args:
        x: `(batch, height, width, channels)`, float32; only the batch may be unknown in advance.
        kernel: `(3, 3, channels, filters)`, float32.

    Returns:
        The outputs, `(batch, height, width, filters)`, and the function from their gradient to those of `x` and
        `kernel`: what `tf.custom_gradient` expects.

    Example:
        >>> x, kernel = tf.ones((1, 8, 4, 2)), tf.ones((3, 3, 2, 5))
        >>> y, gradient = winograd_convolution(x, kernel)
        >>> [part.shape.as_list() for part in (y, *gradient(y))]
        [[1, 8, 4, 5], [1, 8, 4, 2], [3, 3, 2, 5]]

    Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016; the points after Barabasz et al.,
    "Error analysis and improving the accuracy of Winograd convolution for deep neural networks", 2020.
    """
    rows, columns = transform(x.shape[1]), transform(x.shape[2])
    _, of_kernel, _ = matrices()
    of_kernel = np.kron(of_kernel, of_kernel).astype("float32")
    channels, filters = kernel.shape[2:]
    with tf.name_scope("winograd"):  # profiles show it
        tiles = _spread(x, rows.inputs, columns.inputs)
        kernels = tf.matmul(of_kernel, tf.reshape(kernel, (_KERNEL**2, channels * filters)))
        kernels = tf.reshape(kernels, (_INPUTS**2, channels, filters))
        y = _gathered(tf.matmul(tiles, kernels), x, rows.outputs, columns.outputs)

    def gradient(dy):
        with tf.name_scope("to_input"):
            spread = _spread(dy, rows.outputs, columns.outputs)
            products = tf.matmul(spread, kernels, transpose_b=True)
            dx = _gathered(products, x, rows.inputs, columns.inputs)
        with tf.name_scope("to_kernel"):
            products = tf.reshape(
                tf.matmul(tiles, spread, transpose_a=True), (_INPUTS**2, channels * filters)
            )
            dk = tf.reshape(tf.matmul(of_kernel, products, transpose_a=True), kernel.shape)
        return dx, dk

    return y, gradient


def _spread(maps, rows, columns):
    """`(batch, height, width, channels)` → `(products, tiles, channels)`."""
    height, width, channels = maps.shape[1:]
    tiles = len(rows) // _INPUTS
    maps = tf.matmul(rows, tf.reshape(maps, (-1, height, width * channels)))
    maps = tf.reshape(maps, (-1, _INPUTS, tiles, width, channels))
    # The columns' matrix is the same for all images and tiles: they move behind the columns.
    maps = tf.transpose(maps, (1, 3, 2, 0, 4))
    maps = tf.matmul(columns, _flat(maps, width))
    return tf.reshape(maps, (_INPUTS**2, -1, channels))


def _gathered(products, like, rows, columns):
    """The transpose of `_spread`, to maps of as many images, rows and columns as those of `like`."""
    batch, height, width, _ = like.shape
    channels, tiles = products.shape[-1], len(rows) // _INPUTS
    maps = tf.matmul(columns, _flat(products, len(columns)), transpose_a=True)
    maps = tf.transpose(tf.reshape(maps, (_INPUTS, width, tiles, -1, channels)), (3, 0, 2, 1, 4))
    maps = tf.matmul(rows, tf.reshape(maps, (-1, _INPUTS * tiles, width * channels)), transpose_a=True)
    return tf.reshape(maps, (-1 if batch is None else batch, height, width, channels))


def _flat(maps, size):
    return tf.reshape(maps, (_INPUTS, size, -1))


@functools.cache
def transform(size: int) -> Transform:
    """The matrices of all tiles for `size` rows or columns, which need not be a multiple of the tiles'.

    Args:
        size: rows or columns of the map.

    Example:
        >>> transform(8).inputs.shape
        (12, 8)
    """
    of_outputs, _, of_inputs = matrices()
    tiles = -(-size // _TILE)
    # With the zeros around the map, and with what the last tile has too much.
    inputs = np.zeros((_INPUTS, tiles, tiles * _TILE + _KERNEL - 1))
    outputs = np.zeros((_INPUTS, tiles, tiles * _TILE))
    for tile in range(tiles):
        start = tile * _TILE
        inputs[:, tile, start : start + _INPUTS] = of_inputs
        outputs[:, tile, start : start + _TILE] = of_outputs
    before = _KERNEL // 2
    kept = inputs[..., before : before + size], outputs[..., :size]
    return Transform(*(matrix.reshape(_INPUTS * tiles, size).astype("float32") for matrix in kept))


@functools.cache
def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A, G and B, each with a row a product, for one tile in one direction: y = Aᵀ[(G k) ⊙ (B d)].

    Of Toom and Cook: two polynomials with m and r coefficients are multiplied by their values at m + r − 1 points; the
    convolution of a network is the transpose of that.

    Example:
        >>> [matrix.shape for matrix in matrices()]
        [(6, 4), (6, 3), (6, 6)]
    """
    return _values(_TILE), _values(_KERNEL), np.linalg.inv(_values(_INPUTS)).T


def _values(coefficients):
    """The matrix from coefficients of a polynomial to its values at all points."""
    finite = np.vander(np.array(_POINTS, "float64"), coefficients, increasing=True)
    return np.vstack([finite, np.eye(coefficients)[-1:]])
