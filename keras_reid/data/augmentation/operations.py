"""Pillow's image operations in TensorFlow, on uint8 `(height, width, 3)`, with exactly Pillow's results.

Like Pillow, most of these truncate fractions instead of rounding. Operations that treat colours differently arrange
them along the rows, `(height, width · 3)`, because combining short rows is slow.
"""

from __future__ import annotations

import math

import tensorflow as tf

GREY = 128  # AutoAugment fills with this where a moved image has no pixels


def invert(image: tf.Tensor) -> tf.Tensor:
    """255 − x."""
    return 255 - image


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the highest `bits` (int32, 1 … 8) of each value."""
    mask = 256 - tf.bitwise.left_shift(1, 8 - bits)
    return tf.bitwise.bitwise_and(image, tf.cast(mask, tf.uint8))


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Inverts the values at or above `threshold` (int32, 0 … 256)."""
    inverted = tf.cast(tf.cast(image, tf.int32) >= threshold, tf.uint8) * 255
    return tf.bitwise.bitwise_xor(image, inverted)


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to 0 … 255; a channel with a single value stays as it is."""
    low, high = (tf.cast(f(image, (0, 1)), tf.float64) for f in (tf.reduce_min, tf.reduce_max))
    scale = 255.0 / tf.maximum(high - low, 1.0)
    values = tf.range(256, dtype=tf.float64)[:, None]
    table = tf.clip_by_value(values * scale - low * scale, 0.0, 255.0)
    return _look_up(image, tf.where(high > low, table, tf.tile(values, (1, 3))))


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Makes the histogram of each channel as flat as a lookup table can."""
    counts = tf.math.bincount(tf.reshape(_places(image), (-1,)), minlength=768, maxlength=768)
    counts = tf.transpose(tf.reshape(counts, (3, 256)))
    last = tf.gather(tf.transpose(counts), tf.cast(tf.reduce_max(image, (0, 1)), tf.int32), batch_dims=1)
    step = (tf.reduce_sum(counts, 0) - last) // 255
    table = (step // 2 + tf.cumsum(counts, exclusive=True)) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256)[:, None])
    return _look_up(image, table)


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Mixes with black: factor 0 is black, 1 unchanged, above 1 brighter."""
    return _blend(0.0, image, factor)


def color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Mixes with its own grey image: factor 0 is grey, 1 unchanged, above 1 more colourful."""
    return _blend(_grey(image), image, factor)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Mixes with its mean grey: factor 0 is uniform grey, 1 unchanged, above 1 more contrast."""
    mean = tf.reduce_mean(tf.cast(_grey(image)[..., 0], tf.float64))
    return _blend(tf.floor(mean + 0.5), image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Mixes with a smoothed image: factor 0 is smooth, 1 unchanged, above 1 sharper; the border stays."""
    smooth = tf.cond(tf.reduce_min(tf.shape(image)[:2]) > 2, lambda: _smooth(image), lambda: image)
    return _blend(smooth, image, factor)


def rotation(image: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """The matrix for `transform` that rotates about the centre, counter-clockwise for positive `degrees`."""
    angle = -degrees * (math.pi / 180.0)
    cos, sin = tf.cos(angle), tf.sin(angle)
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float64))
    right = width / 2.0 - cos * width / 2.0 - sin * height / 2.0
    down = height / 2.0 + sin * width / 2.0 - cos * height / 2.0
    return tf.stack([cos, sin, right, -sin, cos, down])


def moving(
    shear_x: float | tf.Tensor = 0.0,
    shear_y: float | tf.Tensor = 0.0,
    right: float | tf.Tensor = 0.0,
    down: float | tf.Tensor = 0.0,
) -> tf.Tensor:
    """The matrix for `transform` that shears or shifts: takes from (x + shear_x · y + right, …)."""
    return tf.stack([tf.cast(x, tf.float64) for x in (1.0, shear_x, right, shear_y, 1.0, down)])


def transform(
    image: tf.Tensor, matrix: tf.Tensor, bicubic: bool | tf.Tensor, fill: int | tf.Tensor = GREY
) -> tf.Tensor:
    """Samples output pixel (x, y) from (a·x + b·y + c, d·x + e·y + f), measured at pixel centres.

    Args:
        image: uint8 `(height, width, 3)`.
        matrix: float64 `(6,)`, a … f.
        bicubic: bool `()`, whether to interpolate bicubically instead of bilinearly.
        fill: 0 … 255, the value for pixels outside the image.
    """
    height, width, _ = tf.unstack(tf.shape(image))
    a, b, c, d, e, f = tf.unstack(matrix)
    y = tf.cast(tf.range(height), tf.float64)[:, None] + 0.5
    x = tf.cast(tf.range(width), tf.float64)[None, :] + 0.5
    source_x, source_y = a * x + b * y + c, d * x + e * y + f
    inside = (source_x >= 0) & (source_x < tf.cast(width, tf.float64))
    inside &= (source_y >= 0) & (source_y < tf.cast(height, tf.float64))
    sampled = tf.cond(
        bicubic,
        lambda: _sample(image, source_x, source_y, (-1, 0, 1, 2), _cubic),
        lambda: _sample(image, source_x, source_y, (0, 1), _linear),
    )
    # Single precision may end just below a whole number that Pillow's double precision reaches.
    sampled = tf.reshape(tf.clip_by_value(sampled + 2e-4, 0.0, 255.0), tf.shape(image))
    return tf.where(inside[..., None], tf.cast(sampled, tf.uint8), tf.cast(fill, tf.uint8))


def _sample(image, source_x, source_y, taps, interpolate):
    """Interpolates at source positions, first along rows, then along columns; border pixels repeat outwards.

    Returns: float32 `(pixels, 3)`.
    """
    height, width, _ = tf.unstack(tf.shape(image))
    left, top = tf.floor(source_x - 0.5), tf.floor(source_y - 0.5)
    across, down = (
        tf.repeat(tf.reshape(tf.cast(fraction, tf.float32), (-1,)), 3)
        for fraction in (source_x - 0.5 - left, source_y - 0.5 - top)
    )
    left, top = (tf.cast(tf.reshape(side, (-1,)), tf.int32) for side in (left, top))
    pixels = tf.reshape(image, (-1, 3))
    columns = [tf.clip_by_value(left + tap, 0, width - 1) for tap in taps]
    rows = [tf.clip_by_value(top + tap, 0, height - 1) * width for tap in taps]

    def take(place):
        return tf.cast(tf.reshape(tf.gather(pixels, place), (-1,)), tf.float32)

    return interpolate(
        [interpolate([take(row + column) for column in columns], across) for row in rows], down
    )


def _linear(values, fraction):
    first, second = values
    return first + (second - first) * fraction


def _cubic(values, fraction):
    """The cubic through four neighbours with a = −1."""
    v1, v2, v3, v4 = values
    inner = 2.0 * (v1 - v2) + v3 - v4 + fraction * (v2 - v1 - v3 + v4)
    return v2 + fraction * (v3 - v1 + fraction * inner)


def luma(pixels: tf.Tensor) -> tf.Tensor:
    """0.299 · R + 0.587 · G + 0.114 · B as Pillow's 16-bit fixed point, in all three channels.

    `pixels`: float32 `(…, 3)` 0–255. Exact for whole numbers: the sums stay below 2²⁴.
    """
    weights = tf.tile(tf.constant([[19595.0], [38470.0], [7471.0]]), (1, 3))
    return tf.reshape(tf.matmul(tf.reshape(pixels, (-1, 3)), weights), tf.shape(pixels)) * 2.0**-16


def _grey(image):
    """`(height, width, 3)` float32: luma, rounded."""
    return tf.floor(luma(tf.cast(image, tf.float32)) + 0.5)


def _smooth(image):
    """Each pixel inside the border becomes the mean of its 3 × 3 neighbours, itself counted five times."""
    height, width, _ = tf.unstack(tf.shape(image))
    flat = tf.cast(tf.reshape(image, (height, width * 3)), tf.float32)
    three = flat[:-2] + flat[1:-1] + flat[2:]
    total = three[:, :-6] + three[:, 3:-3] + three[:, 6:] + 4.0 * flat[1:-1, 3:-3]
    # Thirteenths are never a half, so rounding is safe.
    inner = tf.reshape(tf.cast(tf.floor(total / 13.0 + 0.5), tf.uint8), (height - 2, width - 2, 3))
    middle = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], middle, image[-1:]], axis=0)


def _blend(degenerate, image, factor):
    degenerate, pixels = tf.cast(degenerate, tf.float32), tf.cast(image, tf.float32)
    mixed = degenerate + tf.cast(factor, tf.float32) * (pixels - degenerate)
    return tf.cast(tf.clip_by_value(mixed, 0.0, 255.0), tf.uint8)


def _places(image):
    """`(height, width · 3)`: index of each value in a table of three times 256 entries, one part per channel."""
    height, width, _ = tf.unstack(tf.shape(image))
    return tf.cast(tf.reshape(image, (height, width * 3)), tf.int32) + tf.tile([0, 256, 512], [width])


def _look_up(image, table):
    """Looks up new values in `table` `(256, 3)`, one column per channel; truncates fractions."""
    table = tf.reshape(tf.transpose(tf.cast(table, tf.uint8)), (-1,))
    return tf.reshape(tf.gather(table, _places(image)), tf.shape(image))
