"""Random crop, enlarged to the original size."""

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability, check_range

if TYPE_CHECKING:
    import tensorflow as tf

_TRIES = 10


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """Crops a random rectangle from each image and enlarges it bicubically to the image's size.

    Area a ~ U(scale) · height · width and ratio r, log r ~ U(log ratio), give a rectangle of width round(√(a·r))
    and height round(√(a/r)), at a random position. It must not be larger than the image; after ten tries without
    success, it is the largest rectangle in the middle of the image whose ratio is within the range.

    Args:
        scale: (low, high) share of the image's area, up to 1.
        ratio: (low, high) width / height of the rectangle, in pixels of the resized image.
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> RandomResizedCrop()(tf.zeros((8, 224, 224, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([8, 224, 224, 3])

    Source: torchvision's RandomResizedCrop with FastReID's ranges. Deliberate difference: the result has the
    size of the image, so that a model has one input size; FastReID crops to a separate size. `RandomAreaCrop` crops the
    original image, so that a small crop keeps its detail.
    """

    stage: ClassVar[str] = "batch"
    scale: tuple[float, float] = (0.16, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    probability: float = 1.0

    def __post_init__(self):
        check_range("scale", self.scale, highest=1.0)
        check_range("ratio", self.ratio)
        check_probability(self.probability)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `top`, `left`, `height`, `width` float32 `(batch,)`."""
        return draw_rectangles(shape, seed, self.scale, self.ratio, self.probability)

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen
        from keras_reid.data.augmentation.separable import along_height, swap_sides

        images = tf.convert_to_tensor(images)
        rows, columns = tf.unstack(tf.shape(images)[1:3])
        drawn = self.draw(tf.shape(images), seed)

        def finish(pixels):  # after each axis, as Pillow does
            pixels = tf.clip_by_value(pixels, 0.0, 255.0)
            return tf.cast(tf.floor(pixels + 0.5), images.dtype) if images.dtype.is_integer else pixels

        def change(some, top, height, left, width):
            # The width first. Swap the sides while the pixels are integers, because there is less to move.
            across = finish(along_height(swap_sides(some), _cubic(left, width, columns)))
            return finish(along_height(swap_sides(across), _cubic(top, height, rows)))

        parameters = [drawn[name] for name in ("top", "height", "left", "width")]
        return change_chosen(images, drawn["chosen"], change, parameters)


def draw_rectangles(
    shape: "tf.Tensor",
    seed: "tf.Tensor",
    scale: tuple[float, float],
    ratio: tuple[float, float],
    probability: float,
    unit: float = 1.0,
) -> dict[str, "tf.Tensor"]:
    """Draws rectangles as torchvision's RandomResizedCrop does.

    Args:
        shape: `(batch, height, width, …)` of the images.
        seed: `(2,)`.
        scale, ratio, probability: as in `RandomResizedCrop`.
        unit: width / height in pixels of a rectangle with ratio 1.

    Returns:
        dict as from `RandomResizedCrop.draw`.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform((shape[0], 3 + 2 * _TRIES), seed)
    rows, columns = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    log_low, log_high = math.log(ratio[0]), math.log(ratio[1])
    area = (scale[0] + draws[:, 3 : 3 + _TRIES] * (scale[1] - scale[0])) * rows * columns
    drawn = tf.exp(log_low + draws[:, 3 + _TRIES :] * (log_high - log_low)) * unit
    height, width = tf.round(tf.sqrt(area / drawn)), tf.round(tf.sqrt(area * drawn))
    fits = (height >= 1) & (height <= rows) & (width >= 1) & (width <= columns)
    first, found = tf.argmax(fits, axis=1), tf.reduce_any(fits, axis=1)
    height, width = (tf.gather(side, first, batch_dims=1) for side in (height, width))
    top = tf.floor(draws[:, 0] * (rows - height + 1))
    left = tf.floor(draws[:, 1] * (columns - width + 1))
    # The image's ratio, or the nearest one within the range; at least one pixel.
    nearest = tf.clip_by_value(columns / rows, ratio[0] * unit, ratio[1] * unit)
    highest = tf.clip_by_value(tf.round(columns / nearest), 1.0, rows)
    widest = tf.clip_by_value(tf.round(rows * nearest), 1.0, columns)
    return {
        "chosen": draws[:, 2] < probability,
        "top": tf.where(found, top, tf.floor((rows - highest) / 2.0)),
        "left": tf.where(found, left, tf.floor((columns - widest) / 2.0)),
        "height": tf.where(found, height, highest),
        "width": tf.where(found, width, widest),
    }


def _cubic(start, length, size):
    """The weight of each old pixel in each new pixel, when `length` pixels from `start` become `size` pixels.

    Uses the cubic with a = −0.5, cut off at the ends of the crop. Shape: float32 `(batch, size, size)`.
    """
    import tensorflow as tf

    sides = tf.range(tf.cast(size, tf.float32))
    center = (sides + 0.5) * (length / tf.cast(size, tf.float32))[:, None]  # in the crop
    old = (sides - start[:, None])[:, None, :]
    x = tf.abs(old + 0.5 - center[:, :, None])
    near, far = (1.5 * x - 2.5) * x * x + 1.0, ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    weights = tf.where(x < 1.0, near, tf.where(x < 2.0, far, 0.0))
    weights = tf.where((old >= 0) & (old < length[:, None, None]), weights, 0.0)
    return weights / tf.reduce_sum(weights, axis=2, keepdims=True)
