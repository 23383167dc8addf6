"""Left-right flip."""

import dataclasses
from typing import ClassVar

from keras_reid.data.augmentation.validation import check_probability


@dataclasses.dataclass(frozen=True)
class Flip:
    """Flips each image left to right with a probability.

    Args:
        probability: 0 … 1.

    Raises:
        ValueError: if `probability` is not from 0 to 1.

    Example:
        >>> Flip(probability=1.0)(images, seed=(0, 0))  # images[:, :, ::-1]
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.5

    def __post_init__(self):
        check_probability(self.probability)

    def __call__(self, images, seed):
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images)
        chosen = tf.random.stateless_uniform((tf.shape(images)[0],), seed) < self.probability
        # tf.reverse is ten times as fast as images[:, :, ::-1], and Select, which takes or leaves a whole
        # image, as tf.where, which asks for each value.
        return tf.raw_ops.Select(condition=chosen, x=tf.reverse(images, [2]), y=images)
