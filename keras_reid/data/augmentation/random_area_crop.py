"""Random crop of the file's own image, before it is resized."""

import dataclasses
from typing import ClassVar

from keras_reid.data.augmentation.random_resized_crop import draw_rectangles
from keras_reid.data.augmentation.validation import check_probability, check_range


@dataclasses.dataclass(frozen=True)
class RandomAreaCrop:
    """Cuts a random rectangle out of an image as its file holds it; what comes after resizes it to the model's size.

    The rectangle is drawn as by `RandomResizedCrop`: area a ~ U(scale) · height · width and ratio r, log r ~ U(log
    ratio), ten tries. Other than there the crop keeps the file's detail, and is interpolated once.

    Args:
        scale: (low, high) share of the image's area, up to 1.
        ratio: (low, high) width / height of the rectangle.
        squashed: False: a ratio counts pixels, and 1 is a square. True: it counts shares of the image, as if that were
            squashed to a square first, and 1 is a rectangle of the image's own shape.
        probability: of changing an image at all, 0 … 1.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> crop = RandomAreaCrop(scale=(0.25, 0.25), squashed=True, ratio=(1.0, 1.0))
        >>> crop(tf.zeros((300, 400, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([150, 200, 3])

    Source: torchvision's RandomResizedCrop after its Resize, as FastReID's image retrieval has them: `squashed` is
    its resizing to 256 × 256, and not `squashed` that of the shorter side to 256. Deliberate difference: the image is
    not resized to 256 in between.
    """

    stage: ClassVar[str] = "image"
    scale: tuple[float, float] = (0.16, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    squashed: bool = False
    probability: float = 1.0

    def __post_init__(self):
        check_range("scale", self.scale, highest=1.0)
        check_range("ratio", self.ratio)
        check_probability(self.probability)

    def draw(self, shape, seed):
        """What happens to images of a shape: `chosen` bool, `top`, `left`, `height`, `width` float32 `(batch,)`."""
        import tensorflow as tf

        rows, columns = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
        unit = columns / rows if self.squashed else 1.0
        return draw_rectangles(shape, seed, self.scale, self.ratio, self.probability, unit)

    def __call__(self, image, seed):
        """Image `(height, width, channels)`, seed `(2,)` → a part of it, of the same dtype."""
        import tensorflow as tf

        image = tf.convert_to_tensor(image)
        shape = tf.shape(image)
        drawn = self.draw((1, shape[0], shape[1]), seed)
        top, left, height, width = (
            tf.cast(drawn[name][0], tf.int32) for name in ("top", "left", "height", "width")
        )
        whole = [0, 0, shape[0], shape[1]]
        top, left, height, width = tf.unstack(tf.where(drawn["chosen"][0], [top, left, height, width], whole))
        return image[top : top + height, left : left + width]
