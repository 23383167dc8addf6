"""The one way in which images are resized, in training, evaluation, every export and the service."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_BLOCK = 32  # output rows that share one window of the input; measured: 16 to 64 are equally fast


def resize_image(
    image: NDArray[Any] | tf.Tensor, size: Sequence[int], usual: Sequence[int] | None = None
) -> tf.Tensor:
    """Resizes one image with a bicubic filter, anti-aliased when it shrinks, as Pillow does.

    Like Pillow it filters one axis after the other and rounds and clips in between, which near sharp edges
    changes the result by up to 30 levels against filtering both at once. Width comes first, unless the
    height shrinks so much more that the other order is cheaper: height − new height > 2 · max(0, width − new
    width), Pillow 13's rule (older versions always begin with the width, and differ then). Pixels are at
    most 1 level off Pillow's, where its fixed-point arithmetic rounds the other way. An image that has the
    size already stays as it is.

    An axis is filtered by small matrix products: 32 output rows need few input rows, so the filter, a band matrix,
    is cut into blocks along its diagonal, which is faster than `tf.image.resize`. The cost grows with the number of
    input pixels, or output pixels where they are more (benchmarks/input_pipeline.py).

    Args:
        image: `(height, width, 3)`, uint8 or float 0–255.
        size: `(height, width)` in pixels.
        usual: `(height, width)` that most images have: their filter is then computed once and not for each of
            them, which is as much work as filtering a small image. The result is the same.

    Returns:
        uint8 `(height, width, 3)` of the new size.

    Example:
        >>> resize_image(tf.zeros((128, 64, 3), "uint8"), (256, 128)).shape
        TensorShape([256, 128, 3])
    """
    image = tf.convert_to_tensor(image)
    shape = tf.shape(image)
    height, width = size

    def as_it_is():
        return image if image.dtype == tf.uint8 else _to_uint8(tf.cast(image, tf.float32) + 0.5)

    def height_first(old=(shape[0], shape[1])):
        return _filter_columns(_filter_rows(image, old[0], height), old[1], width)

    def width_first(old=(shape[0], shape[1])):
        return _filter_rows(_filter_columns(image, old[1], width), old[0], height)

    # On a GPU the products might run in TensorFloat-32, which is too coarse for 256 levels.
    with tf.device("CPU:0"):
        begins_with_height = shape[0] - height > 2 * tf.maximum(shape[1] - width, 0)
        way = tf.where(tf.reduce_all(shape[:2] == size), 0, tf.where(begins_with_height, 1, 2))
        ways = [as_it_is, height_first, width_first]
        if usual is not None and tuple(usual) != tuple(size):
            usual = tuple(int(side) for side in usual)
            first = height_first if usual[0] - height > 2 * max(usual[1] - width, 0) else width_first
            way = tf.where(tf.reduce_all(shape[:2] == usual), 3, way)
            ways.append(lambda: first(usual))
        result = tf.switch_case(way, ways)
    return tf.ensure_shape(result, (height, width, 3))


def resize_array(pixels: NDArray[np.uint8] | tf.Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """As `resize_image`, to the bit, outside of a graph: for a few images, such as the crops of a video frame.

    Filters are kept, and so images of a few hundred heights and widths cost half as much.

    Args:
        pixels: `(height, width, 3)`, uint8.
        size: `(height, width)` in pixels.

    Returns:
        uint8 `(height, width, 3)` of the new size.

    Example:
        >>> resize_array(np.zeros((128, 64, 3), np.uint8), (256, 128)).shape
        (256, 128, 3)
    """
    (rows, columns), (height, width) = pixels.shape[:2], size
    if (rows, columns) == (height, width):
        return np.asarray(pixels)
    height_first = rows - height > 2 * max(columns - width, 0)
    tables = *_kept_blocks(rows, height), *_kept_blocks(columns, width)
    return _filters(height, width, height_first)(tf.convert_to_tensor(pixels), *tables).numpy()


@functools.lru_cache(512)
def _kept_blocks(size, new_size):
    return tuple(map(tf.constant, _fixed_blocks(size, new_size)))


@functools.lru_cache
def _filters(height, width, height_first):
    """Both filters as one function, traced once for a new size and whatever size images have."""
    blocks = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None, None), tf.float32)]

    def apply(pixels, *tables):
        down, across = tables[:2], tables[2:]

        def filter_columns(pixels):
            return tf.transpose(_filtered(tf.transpose(pixels, (1, 0, 2)), across, width), (1, 0, 2))

        with tf.device("CPU:0"):
            if height_first:
                return filter_columns(_filtered(pixels, down, height))
            return _filtered(filter_columns(pixels), down, height)

    signature = [tf.TensorSpec((None, None, 3), tf.uint8), *blocks, *blocks]
    return tf.function(apply, signature, autograph=False).get_concrete_function()


def _filter_columns(pixels, columns, new_columns):
    """`(height, columns, 3)` → uint8 `(height, new_columns, 3)`."""
    return tf.transpose(_filter_rows(tf.transpose(pixels, (1, 0, 2)), columns, new_columns), (1, 0, 2))


def _filter_rows(pixels, rows, new_rows):
    """`(rows, width, 3)` → uint8 `(new_rows, width, 3)`; `rows` is an integer where it is known beforehand."""
    return _filtered(pixels, (_fixed_blocks if isinstance(rows, int) else _blocks)(rows, new_rows), new_rows)


def _filtered(pixels, blocks, new_rows):
    places, weights = blocks
    windows = tf.gather(tf.reshape(pixels, (tf.shape(pixels)[0], -1)), places)
    # The weights of a row add up to 1, so that the half for rounding can be added before they are applied.
    filtered = _to_uint8(tf.matmul(weights, tf.cast(windows, tf.float32) + 0.5))
    return tf.reshape(filtered, (-1, tf.shape(pixels)[1], 3))[:new_rows]


def _fixed_blocks(size, new_size):
    """As `_blocks`, of a size that is known beforehand: constants."""
    with tf.init_scope():
        return tuple(table.numpy() for table in _blocks(size, new_size))


def _blocks(size, new_size):
    """The filter of one axis, cut into blocks of output rows.

    Returns:
        places: int32 `(blocks, window)`, the input rows that a block needs.
        weights: float32 `(blocks, block, window)`; each row adds up to 1.
    """
    # In a graph, TensorFlow makes a division by a constant a product with its inverse. In float64 the rounding of that
    # is lost on the way to float32, so that an image has the same pixels in every program.
    scale = tf.cast(tf.cast(size, tf.float64) / new_size, tf.float32)
    size = tf.cast(size, tf.float32)
    block = min(_BLOCK, new_size)
    count = -(-new_size // block)
    radius = 2.0 * tf.maximum(scale, 1.0)  # of the filter, in input pixels
    # The last block may reach beyond the image; what it makes there is cut off.
    centres = tf.reshape((tf.range(count * block, dtype=tf.float32) + 0.5) * scale, (count, block))
    window = tf.cast(tf.math.ceil((block - 1) * scale + 2.0 * radius), tf.int32) + 1
    places = tf.floor(centres[:, :1] - radius) + tf.range(tf.cast(window, tf.float32))
    weights = _cubic((places[:, None, :] + 0.5 - centres[:, :, None]) / (radius / 2.0))
    inside = (places >= 0.0) & (places < size)
    weights = tf.where(inside[:, None, :], weights, 0.0)
    weights = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, 2, keepdims=True))
    return tf.cast(tf.clip_by_value(places, 0.0, size - 1.0), tf.int32), weights


def _cubic(distance):
    """Keys' cubic with a = −0.5."""
    x = tf.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return tf.where(x < 1.0, near, tf.where(x < 2.0, far, 0.0))


def _to_uint8(pixels_and_half):
    # Halves go up, as in Pillow: the cast cuts the fraction off. (tf.round takes halves to the even
    # neighbour.)
    return tf.cast(tf.clip_by_value(pixels_and_half, 0.0, 255.0), tf.uint8)
