"""Padding, then a random crop back to the old size."""

import dataclasses
from typing import ClassVar


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
        if isinstance(self.padding, bool) or not isinstance(self.padding, int) or self.padding < 0:
            raise ValueError(
                f"`padding` must be an integer of at least 0. Received: padding={self.padding!r}"
            )

    def __call__(self, images, seed):
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images)
        batch, height, width, _ = tf.unstack(tf.shape(images))
        sides = [self.padding, self.padding]
        padded = tf.pad(images, [[0, 0], sides, sides, [0, 0]])
        offsets = tf.random.stateless_uniform((2, batch, 1), seed, 0, 2 * self.padding + 1, tf.int32)
        cropped = tf.gather(padded, offsets[0] + tf.range(height), axis=1, batch_dims=1)
        cropped = tf.gather(cropped, offsets[1] + tf.range(width), axis=2, batch_dims=1)
        return tf.ensure_shape(cropped, images.shape)
