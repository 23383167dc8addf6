"""Padding and a random crop back to the original size."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_integer

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class PadCrop:
    """Pads each image with black and crops it at a random position to its original size, which shifts it.

    Args:
        padding: pixels on each side; the image shifts by up to this many pixels.

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

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `top`, `left` int32 `(batch,)`, where the padded image is cropped."""
        import tensorflow as tf

        offsets = tf.random.stateless_uniform((2, shape[0]), seed, 0, 2 * self.padding + 1, tf.int32)
        return {"top": offsets[0], "left": offsets[1]}

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images)
        batch, height, width, channels = tf.unstack(tf.shape(images))
        drawn = self.draw(tf.shape(images), seed)

        # With black at the right of each row, the pixels to the left of a row are black too: they are the end of the
        # row before. So a shifted image is one contiguous piece of memory, whichever way it shifts.
        sides = [self.padding + 1, self.padding + 1]  # one extra row, for the first and last pixels
        right = self.padding * channels
        rows = tf.reshape(images, (batch, height, width * channels))
        rows = tf.pad(rows, [[0, 0], sides, [0, right]])
        pitch = width * channels + right
        top, left = drawn["top"] + 1, (drawn["left"] - self.padding) * channels
        starts = tf.range(batch) * (height + 2 * sides[0]) * pitch + top * pitch + left
        pixels = tf.reshape(rows, (-1,))
        size = tf.reshape(height * pitch, (1,))
        moved = tf.map_fn(
            lambda start: tf.slice(pixels, start[None], size), starts, fn_output_signature=images.dtype
        )
        moved = tf.reshape(moved, (batch, height, width + self.padding, channels))
        return tf.ensure_shape(moved[:, :, :width], images.shape)
