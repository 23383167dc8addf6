"""Random erasing."""

import dataclasses
import math
from typing import ClassVar

from keras_reid.data.augmentation.validation import check_probability, check_range

_TRIES = 10


@dataclasses.dataclass(frozen=True)
class RandomErasing:
    """Covers a random rectangle of each image with one colour, with a probability.

    Area a ~ U(area) · height · width and aspect r, log r ~ U(log aspect), give a rectangle of height
    round(√(a·r)) and width round(√(a/r)), at a random place. It must be lower and narrower than the image;
    after ten tries without success the image stays as it is.

    Args:
        probability: 0 … 1.
        area: (low, high) share of the image's area.
        aspect: (low, high) height / width of the rectangle.
        value: RGB colour on the 0–255 scale; the default is ImageNet's mean, which normalisation makes 0. On
            uint8 images it is rounded.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> RandomErasing(probability=1.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0))

    Source: Zhong et al., Random Erasing Data Augmentation, AAAI 2020; ranges and ten tries as torchvision,
    which FastReID uses.
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
        if len(self.value) != 3 or not all(0 <= channel <= 255 for channel in self.value):
            raise ValueError(f"`value` must be three numbers from 0 to 255. Received: value={self.value!r}")

    def __call__(self, images, seed):
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images)
        batch, rows, columns, _ = tf.unstack(tf.shape(images))
        draws = tf.random.stateless_uniform((batch, 3 + 2 * _TRIES), seed)
        size = tf.cast((rows, columns), tf.float32)
        log_low, log_high = math.log(self.aspect[0]), math.log(self.aspect[1])
        area = (self.area[0] + draws[:, 3 : 3 + _TRIES] * (self.area[1] - self.area[0])) * size[0] * size[1]
        aspect = tf.exp(log_low + draws[:, 3 + _TRIES :] * (log_high - log_low))
        height, width = tf.round(tf.sqrt(area * aspect)), tf.round(tf.sqrt(area / aspect))
        fits = (height < size[0]) & (width < size[1])
        first = tf.argmax(fits, axis=1)  # of equal values the first; where none fits, `any` below is False
        height, width = (tf.gather(side, first, batch_dims=1) for side in (height, width))
        top = tf.floor(draws[:, 0] * (size[0] - height + 1))
        left = tf.floor(draws[:, 1] * (size[1] - width + 1))
        erased = (draws[:, 2] < self.probability) & tf.reduce_any(fits, axis=1)

        # Colours lie along the rows, `(batch, height, width · 3)`: long rows are quick to combine.
        row, column = tf.range(size[0])[None, :, None], tf.repeat(tf.range(size[1]), 3)[None, None, :]
        top, left, height, width = (side[:, None, None] for side in (top, left, height, width))
        inside = erased[:, None, None] & (row >= top) & (row < top + height)
        inside &= (column >= left) & (column < left + width)
        value = tf.constant(self.value)
        value = tf.cast(tf.round(value) if images.dtype.is_integer else value, images.dtype)
        flat = tf.reshape(images, (batch, rows, columns * 3))
        value = tf.broadcast_to(tf.tile(value, [columns]), tf.shape(flat))
        return tf.reshape(tf.where(inside, value, flat), tf.shape(images))
