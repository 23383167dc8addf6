"""Pillow's image operations in TensorFlow: uint8 `(height, width, 3)` → the same, to the level Pillow would
give.

Pillow cuts fractions off in most of these rather than rounding; so does this.
"""

import math

import tensorflow as tf

_FILL = 128  # grey, where a rotated or sheared image has nothing to show


def invert(image):
    """255 − x."""
    return 255 - image


def posterize(image, bits):
    """Keeps the highest `bits` (int32, 1 … 8) of each value."""
    mask = 256 - tf.bitwise.left_shift(1, 8 - bits)
    return tf.bitwise.bitwise_and(image, tf.cast(mask, tf.uint8))


def solarize(image, threshold):
    """Inverts the values from `threshold` (int32, 0 … 256) on."""
    return tf.where(tf.cast(image, tf.int32) < threshold, image, 255 - image)


def auto_contrast(image):
    """Stretches each channel to 0 … 255; one with a single value stays."""
    low, high = (tf.cast(f(image, (0, 1)), tf.float64) for f in (tf.reduce_min, tf.reduce_max))
    scale = 255.0 / tf.maximum(high - low, 1.0)
    values = tf.range(256, dtype=tf.float64)[:, None]
    table = tf.clip_by_value(values * scale - low * scale, 0.0, 255.0)
    return _look_up(image, tf.where(high > low, table, tf.tile(values, (1, 3))))


def equalize(image):
    """Makes the histogram of each channel as flat as a table of values can."""
    counts = tf.math.bincount(tf.reshape(_places(image), (-1,)), minlength=768, maxlength=768)
    counts = tf.transpose(tf.reshape(counts, (3, 256)))
    last = tf.gather(tf.transpose(counts), tf.cast(tf.reduce_max(image, (0, 1)), tf.int32), batch_dims=1)
    step = (tf.reduce_sum(counts, 0) - last) // 255
    table = (step // 2 + tf.cumsum(counts, exclusive=True)) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256)[:, None])
    return _look_up(image, table)


def color(image, factor):
    """Mixes with its own grey image: factor 0 is grey, 1 unchanged, above 1 more colourful."""
    return _blend(_grey(image), image, factor)


def contrast(image, factor):
    """Mixes with its mean grey: factor 0 is all one grey, 1 unchanged, above 1 more contrast."""
    mean = tf.reduce_mean(tf.cast(_grey(image), tf.float64))
    return _blend(tf.floor(mean + 0.5), image, factor)


def sharpness(image, factor):
    """Mixes with a smoothed image: factor 0 is smooth, 1 unchanged, above 1 sharper; the border stays."""
    smooth = tf.cond(tf.reduce_min(tf.shape(image)[:2]) > 2, lambda: _smooth(image), lambda: image)
    return _blend(smooth, image, factor)


def rotate(image, degrees, bicubic):
    """Rotates about the centre, counter-clockwise for positive `degrees` (float64); see `transform`."""
    return transform(image, rotation(image, degrees), bicubic)


def shear_x(image, factor, bicubic):
    """Moves each row sideways by `factor` (float64) times its distance from the top; see `transform`."""
    return transform(image, shear(factor), bicubic)


def rotation(image, degrees):
    """The matrix for `transform` that rotates about the centre: float64 `(6,)`."""
    angle = -degrees * (math.pi / 180.0)
    cos, sin = tf.cos(angle), tf.sin(angle)
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float64))
    right = width / 2.0 - cos * width / 2.0 - sin * height / 2.0
    down = height / 2.0 + sin * width / 2.0 - cos * height / 2.0
    return tf.stack([cos, sin, right, -sin, cos, down])


def shear(factor):
    """The matrix for `transform` that shears along x: float64 `(6,)`."""
    return tf.stack([1.0, factor, 0.0, 0.0, 1.0, 0.0])


def transform(image, matrix, bicubic):
    """Takes output pixel (x, y) from (a·x + b·y + c, d·x + e·y + f), all measured at pixel centres.

    Args:
        image: uint8 `(height, width, 3)`.
        matrix: float64 `(6,)`, a … f.
        bicubic: bool `()`, interpolation: bicubic or bilinear. What lies outside the image becomes grey.
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
    sampled = tf.cast(tf.clip_by_value(sampled, 0.0, 255.0), tf.uint8)
    return tf.where(inside[..., None], sampled, tf.constant(_FILL, tf.uint8))


def _sample(image, source_x, source_y, taps, interpolate):
    """Interpolates at source positions, along rows, then along columns; the border repeats outwards."""
    left, top = tf.floor(source_x - 0.5), tf.floor(source_y - 0.5)
    across, down = (source_x - 0.5 - left)[..., None], (source_y - 0.5 - top)[..., None]
    left, top = tf.cast(left, tf.int32), tf.cast(top, tf.int32)
    height, width, _ = tf.unstack(tf.shape(image))
    pixels = tf.reshape(image, (-1, 3))
    columns = [tf.clip_by_value(left + tap, 0, width - 1) for tap in taps]
    rows = [tf.clip_by_value(top + tap, 0, height - 1) * width for tap in taps]

    def along(row):
        return interpolate(
            [tf.cast(tf.gather(pixels, row + column), tf.float64) for column in columns], across
        )

    return interpolate([along(row) for row in rows], down)


def _linear(values, fraction):
    first, second = values
    return first + (second - first) * fraction


def _cubic(values, fraction):
    """The cubic through four neighbours with a = −1."""
    v1, v2, v3, v4 = values
    inner = 2.0 * (v1 - v2) + v3 - v4 + fraction * (v2 - v1 - v3 + v4)
    return v2 + fraction * (v3 - v1 + fraction * inner)


def _grey(image):
    """`(height, width, 1)` int32: luma in 16-bit fixed point."""
    weighted = tf.cast(image, tf.int32) * [19595, 38470, 7471]
    return (tf.reduce_sum(weighted, axis=-1, keepdims=True) + (1 << 15)) // (1 << 16)


def _smooth(image):
    """Each pixel inside the border becomes the mean of its 3 × 3 neighbours, itself counted five times."""
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32)[:, :, None, None] / 13.0
    inner = tf.cast(image, tf.float32)[None]
    inner = tf.nn.depthwise_conv2d(inner, tf.tile(kernel, (1, 1, 3, 1)), (1, 1, 1, 1), "VALID")[0]
    inner = tf.cast(tf.floor(inner + 0.5), tf.uint8)
    middle = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], middle, image[-1:]], axis=0)


def _blend(degenerate, image, factor):
    degenerate, pixels = tf.cast(degenerate, tf.float32), tf.cast(image, tf.float32)
    mixed = degenerate + tf.cast(factor, tf.float32) * (pixels - degenerate)
    return tf.cast(tf.clip_by_value(mixed, 0.0, 255.0), tf.uint8)


def _places(image):
    """Place of each value in a table of three times 256, one for each channel."""
    return tf.cast(image, tf.int32) + [0, 256, 512]


def _look_up(image, table):
    """`table` `(256, 3)`: new value for each value of each channel; fractions are cut off."""
    return tf.gather(tf.reshape(tf.transpose(tf.cast(table, tf.uint8)), (-1,)), _places(image))
