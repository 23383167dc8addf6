"""Helpers for batch augmentations: rectangles, and changing only some images of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


def change_chosen(
    images: tf.Tensor,
    chosen: tf.Tensor,
    change: Callable[..., tf.Tensor],
    parameters: Sequence[tf.Tensor] = (),
) -> tf.Tensor:
    """Replaces the chosen images by `change(chosen images, *their parameters)`.

    Images that are not chosen are only copied.

    Args:
        images: `(batch, height, width, 3)`.
        chosen: bool `(batch,)`.
        change: function of the chosen images and their parameters.
        parameters: tensors `(batch, …)`.

    Returns:
        images of the same shape and dtype.
    """

    def replaced():
        places, others = (tf.cast(tf.where(mask)[:, 0], tf.int32) for mask in (chosen, ~chosen))
        changed = change(
            tf.gather(images, places), *(tf.gather(parameter, places) for parameter in parameters)
        )
        # Several times as fast as a scatter or a selection by mask.
        unchanged = tf.gather(images, others)
        return tf.dynamic_stitch([others, places], [unchanged, as_type(changed, images.dtype)])

    # Several operations fail on an empty batch.
    return tf.ensure_shape(tf.cond(tf.reduce_any(chosen), replaced, lambda: images), images.shape)


def as_type(pixels: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Converts pixels to `dtype`; for integer types, rounds and clips to 0–255."""
    if pixels.dtype == dtype:
        return pixels
    if dtype.is_integer:
        pixels = tf.clip_by_value(tf.round(pixels), 0.0, 255.0)
    return tf.cast(pixels, dtype)


def first_that_fits(
    area: tf.Tensor, aspect: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Sides of the first of several rectangles that is smaller than the image in both directions.

    Args:
        area: float32 `(batch, tries)` in pixels.
        aspect: float32 `(batch, tries)`, height / width.
        rows, columns: float32 `()`, size of the image.

    Returns:
        height and width, float32 `(batch,)`, and whether any fits, bool `(batch,)`.
    """
    height, width = tf.round(tf.sqrt(area * aspect)), tf.round(tf.sqrt(area / aspect))
    fits = (height < rows) & (width < columns)
    first = tf.argmax(fits, axis=1)  # the first True; if none fits, `any` below is False
    height, width = (tf.gather(side, first, batch_dims=1) for side in (height, width))
    return height, width, tf.reduce_any(fits, axis=1)


def paste(image: tf.Tensor, patch: tf.Tensor, top: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Pastes a patch into an image `(height, width, channels)` at `top`, `left`, int32 `()`."""
    height, width = tf.unstack(tf.shape(patch)[:2])
    beside = image[top : top + height]
    middle = tf.concat([beside[:, :left], patch, beside[:, left + width :]], axis=1)
    return tf.concat([image[:top], middle, image[top + height :]], axis=0)


def fill_rectangles(
    images: tf.Tensor,
    chosen: tf.Tensor,
    top: tf.Tensor,
    left: tf.Tensor,
    height: tf.Tensor,
    width: tf.Tensor,
    color: Sequence[float],
) -> tf.Tensor:
    """Covers one rectangle of each chosen image with `color`, three numbers.

    Sides are whole numbers `(batch,)` of any dtype; parts outside the image are cut off.
    """
    color = as_type(tf.constant(color, tf.float32), images.dtype)
    rows, columns = tf.unstack(tf.shape(images)[1:3])
    top, left, height, width = (tf.cast(side, tf.int32) for side in (top, left, height, width))
    edges = [
        tf.clip_by_value(edge, 0, limit)
        for edge, limit in ((top, rows), (top + height, rows), (left, columns), (left + width, columns))
    ]

    # One image at a time: slices copy whole rows, while a mask would touch every pixel.
    def fill(image_and_edges):
        image, first_row, last_row, first_column, last_column = image_and_edges
        size = tf.stack([last_row - first_row, last_column - first_column, 3])
        return paste(image, tf.broadcast_to(color, size), first_row, first_column)

    def change(*some):
        return tf.map_fn(fill, some, fn_output_signature=images.dtype)

    return change_chosen(images, chosen, change, edges)
