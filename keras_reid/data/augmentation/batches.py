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
        places = tf.where(chosen)
        changed = change(
            tf.gather_nd(images, places), *(tf.gather_nd(parameter, places) for parameter in parameters)
        )
        return tf.tensor_scatter_nd_update(images, places, as_type(changed, images.dtype))

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


def fill_rectangles(images, chosen, top, left, height, width, color):
    """Covers one rectangle of each chosen image with `color`, three numbers; sides are float32 `(batch,)`."""
    batch, rows, columns, _ = tf.unstack(tf.shape(images))
    # Colours lie along the rows, `(batch, height, width · 3)`: long rows are quick to combine.
    row = tf.cast(tf.range(rows), tf.float32)[None, :, None]
    column = tf.cast(tf.repeat(tf.range(columns), 3), tf.float32)[None, None, :]
    top, left, height, width = (side[:, None, None] for side in (top, left, height, width))
    inside = chosen[:, None, None] & (row >= top) & (row < top + height)
    inside &= (column >= left) & (column < left + width)
    color = as_type(tf.constant(color, tf.float32), images.dtype)
    flat = tf.reshape(images, (batch, rows, columns * 3))
    color = tf.broadcast_to(tf.tile(color, [columns]), tf.shape(flat))
    return tf.ensure_shape(tf.reshape(tf.where(inside, color, flat), tf.shape(images)), images.shape)
