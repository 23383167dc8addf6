"""Random crop of the original image, before it is resized."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.random_resized_crop import draw_rectangles
from keras_reid.data.augmentation.validation import check_probability, check_range

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class RandomAreaCrop:
    """Crops a random rectangle from the original image, which is later resized to the model's size.

    The rectangle is drawn as in `RandomResizedCrop`: area a ~ U(scale) · height · width and ratio r, log r ~ U(log
    ratio), with ten tries. Unlike there, the crop keeps the detail of the file, and is interpolated only once.

    Args:
        scale: (low, high) share of the image's area, up to 1.
        ratio: (low, high) width / height of the rectangle.
        squashed: if False, the ratio is measured in pixels, and 1 is a square. If True, it is measured in shares of the
            image, as if the image were squashed to a square first, and 1 is a rectangle with the image's shape.
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> crop = RandomAreaCrop(scale=(0.25, 0.25), squashed=True, ratio=(1.0, 1.0))
        >>> crop(tf.zeros((300, 400, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([150, 200, 3])

    Source: torchvision's Resize followed by RandomResizedCrop, as in FastReID's image retrieval. `squashed=True`
    corresponds to resizing to 256 × 256, `squashed=False` to resizing the shorter side to 256. Deliberate difference:
    the image is not resized to 256 in between.
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

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `top`, `left`, `height`, `width` float32 `(batch,)`."""
        import tensorflow as tf

        rows, columns = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
        unit = columns / rows if self.squashed else 1.0
        return draw_rectangles(shape, seed, self.scale, self.ratio, self.probability, unit)

    def __call__(self, image: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Image `(height, width, channels)`, seed `(2,)` → a crop of the same dtype."""
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
