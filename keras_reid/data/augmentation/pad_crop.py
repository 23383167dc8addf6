"""Padding, then a random crop back to the old size."""

import dataclasses
from typing import ClassVar

from keras_reid.data.augmentation.validation import check_integer


@dataclasses.dataclass(frozen=True)
class PadCrop:
    """Pads each image with black on all sides and crops it back at a random place: a random shift.

    Args:
        padding: pixels on each side; an image moves by up to that many.

    Raises:
        ValueError: if `padding` is not an integer of at least 0.

    Example:
        >>> PadCrop(padding=10)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([8, 256, 128, 3])
    """

    stage: ClassVar[str] = "batch"
    padding: int = 10

    def __post_init__(self):
        check_integer("padding", self.padding, 0)

    def draw(self, shape, seed):
        """What happens to images of a shape: `top`, `left` int32 `(batch,)`, where the padded image is cropped."""
        import tensorflow as tf

        offsets = tf.random.stateless_uniform((2, shape[0]), seed, 0, 2 * self.padding + 1, tf.int32)
        return {"top": offsets[0], "left": offsets[1]}

    def __call__(self, images, seed):
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images)
        drawn = self.draw(tf.shape(images), seed)
        sides = [self.padding, self.padding]
        size = tf.shape(images)[1:]

        # One after the other: a slice copies whole rows, and a gather over the batch single pixels.
        def crop(parts):
            image, top, left = parts
            return tf.slice(tf.pad(image, [sides, sides, [0, 0]]), tf.stack([top, left, 0]), size)

        cropped = tf.map_fn(crop, (images, drawn["top"], drawn["left"]), fn_output_signature=images.dtype)
        return tf.ensure_shape(cropped, images.shape)
