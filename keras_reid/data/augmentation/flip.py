"""Left-right flip."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Flip:
    """Flips each image left to right with a probability.

    Args:
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if `probability` is not from 0 to 1.

    Example:
        >>> Flip(probability=1.0)(images, seed=(0, 0))  # images[:, :, ::-1]
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.5

    def __post_init__(self):
        check_probability(self.probability)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool `(batch,)`."""
        import tensorflow as tf

        return {"chosen": tf.random.stateless_uniform((shape[0],), seed) < self.probability}

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen

        images = tf.convert_to_tensor(images)
        chosen = self.draw(tf.shape(images), seed)["chosen"]

        def mirror(some):
            # TensorFlow is fast only for three dimensions with three channels.
            rows = tf.reshape(some, tf.concat([[-1], tf.shape(some)[2:]], 0))
            return tf.reshape(tf.reverse(rows, [1]), tf.shape(some))

        return change_chosen(images, chosen, mirror)
