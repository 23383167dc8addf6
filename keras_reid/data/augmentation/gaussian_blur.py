"""Random Gaussian blur."""

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability, check_range

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class GaussianBlur:
    """Blurs each image with a Gaussian of random width, with a probability.

    The weights are exp(−d² / 2σ²) with σ ~ U(sigma) and d from −⌈3 · sigma high⌉ to ⌈3 · sigma high⌉ pixels, scaled to
    sum to 1. Beyond the border, the image is mirrored about its outermost pixels.

    Args:
        sigma: (low, high) standard deviation in pixels.
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> GaussianBlur(probability=1.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0))

    Source: torchvision's GaussianBlur (kernel size 2 · ⌈3 · sigma high⌉ + 1), and the augmentation of Chen et
    al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, whose σ and
    probability are the defaults. FastReID has no blur.
    """

    stage: ClassVar[str] = "batch"
    sigma: tuple[float, float] = (0.1, 2.0)
    probability: float = 0.5

    def __post_init__(self):
        check_range("sigma", self.sigma)
        check_probability(self.probability)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `sigma` float32 `(batch,)`."""
        import tensorflow as tf

        draws = tf.random.stateless_uniform((2, shape[0]), seed)
        return {
            "chosen": draws[0] < self.probability,
            "sigma": self.sigma[0] + draws[1] * (self.sigma[1] - self.sigma[0]),
        }

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen
        from keras_reid.data.augmentation.separable import along_height, along_width

        images = tf.convert_to_tensor(images)
        height, width = tf.unstack(tf.shape(images)[1:3])
        drawn = self.draw(tf.shape(images), seed)

        def change(some, sigma):
            blurred = along_height(some, self._matrices(sigma, height))
            return along_width(blurred, self._matrices(sigma, width))

        return change_chosen(images, drawn["chosen"], change, [drawn["sigma"]])

    def _matrices(self, sigma, size):
        """The weight of each old pixel in each new pixel: float32 `(batch, size, size)`."""
        import tensorflow as tf

        radius = math.ceil(3 * self.sigma[1])
        distance = tf.range(-radius, radius + 1)
        weights = tf.exp(-0.5 * tf.square(tf.cast(distance, tf.float32) / sigma[:, None]))
        weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
        # Mirror as often as needed, so that any image is large enough.
        period = tf.maximum(2 * (size - 1), 1)
        place = (tf.range(size)[:, None] + distance) % period
        place = tf.minimum(place, period - place) % size
        where_to = tf.one_hot(place, size)  # (size, distances, size)
        return tf.einsum("bd,ndm->bnm", weights, where_to)
