"""Cutout."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_color, check_integer, check_probability

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Cutout:
    """Covers a square of each image with one colour, with a probability.

    The square's centre is any pixel of the image with equal probability; parts beyond the border are cut off. The
    square covers the rows y − ⌊size / 2⌋ … y − ⌊size / 2⌋ + size − 1 around the centre (y, x), and the same for
    columns.

    Args:
        probability: probability that an image is changed, 0 … 1.
        size: side of the square in pixels.
        value: RGB colour on the 0–255 scale; the default is ImageNet's mean, which normalisation turns into 0.
            It is rounded for uint8 images.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> Cutout(probability=1.0, size=32)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0))

    Source: DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    Only older versions of FastReID have it, with the whole square inside the image.
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.5
    size: int = 64
    value: tuple[float, float, float] = (123.675, 116.28, 103.53)

    def __post_init__(self):
        check_probability(self.probability)
        check_integer("size", self.size, 1)
        check_color("value", self.value)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `top`, `left`, `height`, `width` float32 `(batch,)`.

        `top` and `left` may be negative.
        """
        import tensorflow as tf

        draws = tf.random.stateless_uniform((3, shape[0]), seed)
        side = tf.fill((shape[0],), float(self.size))
        return {
            "chosen": draws[0] < self.probability,
            "top": tf.floor(draws[1] * tf.cast(shape[1], tf.float32)) - self.size // 2,
            "left": tf.floor(draws[2] * tf.cast(shape[2], tf.float32)) - self.size // 2,
            "height": side,
            "width": side,
        }

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import fill_rectangles

        images = tf.convert_to_tensor(images)
        return fill_rectangles(images, **self.draw(tf.shape(images), seed), color=self.value)
