"""Random erasing."""

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_color, check_probability, check_range

if TYPE_CHECKING:
    import tensorflow as tf

_TRIES = 10


@dataclasses.dataclass(frozen=True)
class RandomErasing:
    """Covers a random rectangle of each image with one colour, with a probability.

    Area a ~ U(area) · height · width and aspect r, log r ~ U(log aspect), give a rectangle of height
    round(√(a·r)) and width round(√(a/r)), at a random position. It must be smaller than the image in both
    directions; after ten tries without success, the image stays as it is.

    Args:
        probability: probability that an image is changed, 0 … 1.
        area: (low, high) share of the image's area.
        aspect: (low, high) height / width of the rectangle.
        value: RGB colour on the 0–255 scale; the default is ImageNet's mean, which normalisation turns into 0.
            It is rounded for uint8 images.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> RandomErasing(probability=1.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0))

    Source: Zhong et al., Random Erasing Data Augmentation, AAAI 2020; ranges and ten tries as in
    torchvision, which FastReID uses.
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    aspect: tuple[float, float] = (0.3, 3.3)
    value: tuple[float, float, float] = (123.675, 116.28, 103.53)

    def __post_init__(self):
        check_probability(self.probability)
        check_range("area", self.area, highest=1.0)
        check_range("aspect", self.aspect)
        check_color("value", self.value)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `top`, `left`, `height`, `width` float32 `(batch,)`.

        An image for which no rectangle fits is not chosen.
        """
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import first_that_fits

        draws = tf.random.stateless_uniform((shape[0], 3 + 2 * _TRIES), seed)
        rows, columns = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
        log_low, log_high = math.log(self.aspect[0]), math.log(self.aspect[1])
        area = (self.area[0] + draws[:, 3 : 3 + _TRIES] * (self.area[1] - self.area[0])) * rows * columns
        aspect = tf.exp(log_low + draws[:, 3 + _TRIES :] * (log_high - log_low))
        height, width, fits = first_that_fits(area, aspect, rows, columns)
        return {
            "chosen": (draws[:, 2] < self.probability) & fits,
            "top": tf.floor(draws[:, 0] * (rows - height + 1)),
            "left": tf.floor(draws[:, 1] * (columns - width + 1)),
            "height": height,
            "width": width,
        }

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import fill_rectangles

        images = tf.convert_to_tensor(images)
        return fill_rectangles(images, **self.draw(tf.shape(images), seed), color=self.value)
