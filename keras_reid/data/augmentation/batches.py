"""What the batch augmentations share: rectangles, and changing some images of a batch only."""

import tensorflow as tf


def change_chosen(images, chosen, change, parameters=()):
    """Images with those that are `chosen` replaced by `change(chosen images, *their parameters)`.

    What is not chosen costs a copy, not the change.

    Args:
        images: `(batch, height, width, 3)`.
        chosen: bool `(batch,)`.
        change: function of the chosen images and of the parameters that belong to them.
        parameters: tensors `(batch, …)`.

    Returns:
        images of the same shape and dtype.
    """

    def replaced():
        places, others = (tf.cast(tf.where(mask)[:, 0], tf.int32) for mask in (chosen, ~chosen))
        changed = change(
            tf.gather(images, places), *(tf.gather(parameter, places) for parameter in parameters)
        )
        # Several times as fast as a scatter, or a choice by mask.
        unchanged = tf.gather(images, others)
        return tf.dynamic_stitch([others, places], [unchanged, as_type(changed, images.dtype)])

    # Several operations refuse a batch of no images.
    return tf.ensure_shape(tf.cond(tf.reduce_any(chosen), replaced, lambda: images), images.shape)


def as_type(pixels, dtype):
    """Pixels of any type as `dtype`; rounded and kept within 0–255 for an integer type."""
    if pixels.dtype == dtype:
        return pixels
    if dtype.is_integer:
        pixels = tf.clip_by_value(tf.round(pixels), 0.0, 255.0)
    return tf.cast(pixels, dtype)


def first_that_fits(area, aspect, rows, columns):
    """Sides of the first of several rectangles that is lower and narrower than the image.

    Args:
        area: float32 `(batch, tries)` in pixels.
        aspect: float32 `(batch, tries)`, height / width.
        rows, columns: float32 `()`, size of the image.

    Returns:
        height and width, float32 `(batch,)`, and whether any fits, bool `(batch,)`.
    """
    height, width = tf.round(tf.sqrt(area * aspect)), tf.round(tf.sqrt(area / aspect))
    fits = (height < rows) & (width < columns)
    first = tf.argmax(fits, axis=1)  # of equal values the first; where none fits, `any` below is False
    height, width = (tf.gather(side, first, batch_dims=1) for side in (height, width))
    return height, width, tf.reduce_any(fits, axis=1)


def paste(image, patch, top, left):
    """One image `(height, width, channels)` with a patch put over it at a place, int32 `()`."""
    height, width = tf.unstack(tf.shape(patch)[:2])
    beside = image[top : top + height]
    middle = tf.concat([beside[:, :left], patch, beside[:, left + width :]], axis=1)
    return tf.concat([image[:top], middle, image[top + height :]], axis=0)


def fill_rectangles(images, chosen, top, left, height, width, color):
    """Covers one rectangle of each chosen image with `color`, three numbers.

    Sides are whole numbers `(batch,)` of any dtype; what lies outside the image is cut off.
    """
    color = as_type(tf.constant(color, tf.float32), images.dtype)
    rows, columns = tf.unstack(tf.shape(images)[1:3])
    top, left, height, width = (tf.cast(side, tf.int32) for side in (top, left, height, width))
    edges = [
        tf.clip_by_value(edge, 0, limit)
        for edge, limit in ((top, rows), (top + height, rows), (left, columns), (left + width, columns))
    ]

    # One after the other: slices copy whole rows, and a mask costs a pass over every pixel.
    def fill(image_and_edges):
        image, first_row, last_row, first_column, last_column = image_and_edges
        size = tf.stack([last_row - first_row, last_column - first_column, 3])
        return paste(image, tf.broadcast_to(color, size), first_row, first_column)

    def change(*some):
        return tf.map_fn(fill, some, fn_output_signature=images.dtype)

    return change_chosen(images, chosen, change, edges)
