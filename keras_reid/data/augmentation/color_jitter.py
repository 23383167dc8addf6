"""Random brightness, contrast, saturation and hue."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Changes brightness, contrast, saturation and hue of each image at random, with a probability.

    Brightness multiplies; contrast and saturation mix with the mean grey and the image's own grey:
    x ← f · x + (1 − f) · g, with f ~ U(max(0, 1 − strength), 1 + strength). Hue is rotated by a share of the
    colour circle drawn from U(−hue, hue). Values are clipped to 0–255 after each change.

    Args:
        brightness: strength, at least 0; 0 changes nothing.
        contrast: strength, at least 0.
        saturation: strength, at least 0.
        hue: largest rotation as a share of the circle, 0 … 0.5.
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> ColorJitter(brightness=0.5, probability=1.0)(tf.ones((8, 4, 4, 3)) * 100.0, seed=(0, 0))

    Source: torchvision's ColorJitter with FastReID's strengths. Deliberate differences: the changes are applied in the
    order above instead of a random one, and values are rounded once at the end, not after each change.
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

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `brightness`, `contrast`, `saturation` (factors)
        and `hue` (share of the circle) float32, all `(batch,)`.
        """
        import tensorflow as tf

        draws = tf.random.stateless_uniform((5, shape[0]), seed)
        drawn = {"chosen": draws[4] < self.probability, "hue": (2.0 * draws[3] - 1.0) * self.hue}
        for number, name in enumerate(("brightness", "contrast", "saturation")):
            strength = getattr(self, name)
            low, high = max(0.0, 1.0 - strength), 1.0 + strength
            drawn[name] = low + draws[number] * (high - low)
        return drawn

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen

        images = tf.convert_to_tensor(images)
        drawn = self.draw(tf.shape(images), seed)
        chosen = drawn.pop("chosen")
        return change_chosen(images, chosen, self._change, [drawn[name] for name in sorted(drawn)])

    def _change(self, images, brightness, contrast, hue, saturation):
        import tensorflow as tf

        def mix(plane, grey, share):
            return tf.clip_by_value(grey + share * (plane - grey), 0.0, 255.0)

        def grey(planes):
            return 0.299 * planes[0] + 0.587 * planes[1] + 0.114 * planes[2]

        # One plane `(batch, height · width)` per colour: interleaved colours are several times slower.
        shape = tf.shape(images)
        planes = tf.transpose(tf.reshape(images, (shape[0], shape[1] * shape[2], 3)), (2, 0, 1))
        planes = tf.unstack(tf.cast(planes, tf.float32))
        brightness, contrast, hue, saturation = (
            factor[:, None] for factor in (brightness, contrast, hue, saturation)
        )
        if self.brightness:
            planes = [mix(plane, 0.0, brightness) for plane in planes]
        if self.contrast:
            mean = tf.reduce_mean(grey(planes), axis=1, keepdims=True)
            planes = [mix(plane, mean, contrast) for plane in planes]
        if self.saturation:
            own = grey(planes)
            planes = [mix(plane, own, saturation) for plane in planes]
        if self.hue:
            planes = _turn_hue(planes, hue)
        planes = tf.stack(planes)
        if images.dtype.is_integer:  # before interleaving again, so that there is less to move
            planes = tf.cast(tf.round(planes), images.dtype)
        return tf.reshape(tf.transpose(tf.cast(planes, images.dtype), (1, 2, 0)), shape)


def _turn_hue(planes, turn):
    """Adds `turn` (share of the circle) to the hue in HSV, keeps S and V, and converts back to RGB.

    With H in sixths of the circle each colour is min + (max − min) · a trapezoid of H: for red
    |H − 3| − 1, for green 2 − |H − 2|, for blue 2 − |H − 4|, each clipped to 0 … 1.
    """
    import tensorflow as tf

    red, green, blue = planes
    high = tf.maximum(tf.maximum(red, green), blue)
    low = tf.minimum(tf.minimum(red, green), blue)
    chroma = high - low
    slope = 1.0 / tf.maximum(chroma, 1e-6)  # without chroma, the hue does not matter
    # If two colours are equally high, both formulas give the same hue.
    hue = _select(
        red >= high,
        (green - blue) * slope,
        _select(green >= high, 2.0 + (blue - red) * slope, 4.0 + (red - green) * slope),
    )
    hue += 6.0 * turn
    hue -= 6.0 * tf.floor(hue * (1.0 / 6.0))
    trapezoids = (tf.abs(hue - 3.0) - 1.0, 2.0 - tf.abs(hue - 2.0), 2.0 - tf.abs(hue - 4.0))
    return [low + chroma * tf.clip_by_value(trapezoid, 0.0, 1.0) for trapezoid in trapezoids]


def _select(condition, x, y):
    """`tf.where` without broadcasting, which is several times faster."""
    import tensorflow as tf

    return tf.raw_ops.Select(condition=condition, x=x, y=y)
