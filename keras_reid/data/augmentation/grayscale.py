"""Random grey images."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Grayscale:
    """Converts each image to grey with a probability; it keeps three channels.

    Grey is the luma, 0.299 · R + 0.587 · G + 0.114 · B. For uint8 images it equals Pillow's result exactly.

    Args:
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if `probability` is not from 0 to 1.

    Example:
        >>> Grayscale(probability=1.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0))

    Source: torchvision's RandomGrayscale, whose probability is the default. FastReID does not have it.
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.1

    def __post_init__(self):
        check_probability(self.probability)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool `(batch,)`."""
        import tensorflow as tf

        return {"chosen": tf.random.stateless_uniform((shape[0],), seed) < self.probability}

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen
        from keras_reid.data.augmentation.operations import luma

        images = tf.convert_to_tensor(images)

        def change(some):
            grey = luma(tf.cast(some, tf.float32))
            return tf.floor(grey + 0.5) if images.dtype.is_integer else grey

        return change_chosen(images, self.draw(tf.shape(images), seed)["chosen"], change)
