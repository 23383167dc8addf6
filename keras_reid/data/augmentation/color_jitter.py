"""Random brightness, contrast, saturation and hue."""

import dataclasses
from typing import ClassVar

from keras_reid.data.augmentation.validation import check_probability


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Changes brightness, contrast, saturation and hue of each image at random, with a probability.

    Brightness multiplies; contrast and saturation mix with the mean grey and the image's own grey:
    x ← f · x + (1 − f) · g, with f ~ U(max(0, 1 − strength), 1 + strength). Hue is turned by a share of the
    colour circle drawn from U(−hue, hue). Values are clipped to 0–255 after each change.

    Args:
        brightness: strength, at least 0; 0 leaves it alone.
        contrast: strength, at least 0.
        saturation: strength, at least 0.
        hue: largest turn as a share of the circle, 0 … 0.5.
        probability: of changing an image at all, 0 … 1.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> ColorJitter(brightness=0.5, probability=1.0)(tf.ones((8, 4, 4, 3)) * 100.0, seed=(0, 0))

    Source: torchvision's ColorJitter, whose strengths FastReID takes. Deliberate difference: the changes
    come in the order above, not in a random one.
    """

    stage: ClassVar[str] = "batch"
    brightness: float = 0.15
    contrast: float = 0.15
    saturation: float = 0.1
    hue: float = 0.1
    probability: float = 0.5

    def __post_init__(self):
        check_probability(self.probability)
        for name in ("brightness", "contrast", "saturation", "hue"):
            value, highest = getattr(self, name), 0.5 if name == "hue" else float("inf")
            if not 0 <= value <= highest:
                raise ValueError(f"`{name}` must be from 0 to {highest}. Received: {name}={value!r}")

    def __call__(self, images, seed):
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images)
        draws = tf.random.stateless_uniform((5, tf.shape(images)[0], 1, 1, 1), seed)
        chosen = tf.reshape(draws[4], (-1,)) < self.probability

        def factor(draw, strength):
            low, high = max(0.0, 1.0 - strength), 1.0 + strength
            return low + draw * (high - low)

        def mix(pixels, grey, share):
            return tf.clip_by_value(share * pixels + (1.0 - share) * grey, 0.0, 255.0)

        def grey(pixels):
            return tf.linalg.matvec(pixels, [0.299, 0.587, 0.114])[..., None]

        pixels = tf.cast(images, tf.float32)
        pixels = mix(pixels, 0.0, factor(draws[0], self.brightness))
        mean = tf.reduce_mean(grey(pixels), axis=(1, 2), keepdims=True)
        pixels = mix(pixels, mean, factor(draws[1], self.contrast))
        pixels = mix(pixels, grey(pixels), factor(draws[2], self.saturation))
        if self.hue:
            hsv = tf.image.rgb_to_hsv(pixels / 255.0)
            hue = (hsv[..., :1] + (2.0 * draws[3] - 1.0) * self.hue) % 1.0
            pixels = tf.image.hsv_to_rgb(tf.concat([hue, hsv[..., 1:]], axis=-1)) * 255.0
        if images.dtype.is_integer:
            pixels = tf.round(pixels)
        return tf.raw_ops.Select(condition=chosen, x=tf.cast(pixels, images.dtype), y=images)
