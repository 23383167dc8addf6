"""Random rotation, shift, scale and shear."""

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_number, check_probability, check_range

if TYPE_CHECKING:
    import tensorflow as tf

_INTERPOLATIONS = ("nearest", "bilinear")


@dataclasses.dataclass(frozen=True)
class Affine:
    """Rotates, shifts, scales and shears each image about its centre, with a probability; fills with black.

    A point p of the image, seen from the centre, moves to

        scale · R(angle) · [[1, −tan(shear)], [0, 1]] · p + shift

    with angle ~ U(−degrees, degrees), scale ~ U(scale), shear ~ U(−shear, shear) and, in whole pixels,
    shift = round(U(−1, 1) · translation · (width, height)). The image is resampled only once.

    Args:
        degrees: largest angle, at least 0.
        translation: largest shift as a share of the width and the height, 0 … 1.
        scale: (low, high), both above 0.
        shear: largest shear along x in degrees, 0 … 89; the default has hardly any effect.
        interpolation: "nearest" or "bilinear".
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> Affine(degrees=20.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([8, 256, 128, 3])

    Source: torchvision's RandomAffine with FastReID's values, including its 0.1 degrees of shear.
    """

    stage: ClassVar[str] = "batch"
    degrees: float = 10.0
    translation: float = 0.0
    scale: tuple[float, float] = (0.9, 1.1)
    shear: float = 0.1
    interpolation: str = "nearest"
    probability: float = 1.0

    def __post_init__(self):
        check_number("degrees", self.degrees, 0)
        check_number("translation", self.translation, 0, 1)
        check_range("scale", self.scale)
        check_number("shear", self.shear, 0, 89)
        check_probability(self.probability)
        if self.interpolation not in _INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` must be one of {_INTERPOLATIONS}. "
                f"Received: interpolation={self.interpolation!r}"
            )

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen` bool, `degrees`, `scale`, `shear` (degrees), `right` and
        `down` (pixels) float32, all `(batch,)`.
        """
        import tensorflow as tf

        draws = tf.random.stateless_uniform((6, shape[0]), seed)
        both_ways = 2.0 * draws - 1.0
        size = tf.cast(shape[1:3], tf.float32)
        return {
            "chosen": draws[0] < self.probability,
            "degrees": both_ways[1] * self.degrees,
            "scale": self.scale[0] + draws[2] * (self.scale[1] - self.scale[0]),
            "shear": both_ways[3] * self.shear,
            "right": tf.round(both_ways[4] * self.translation * size[1]),
            "down": tf.round(both_ways[5] * self.translation * size[0]),
        }

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, channels)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen

        images = tf.convert_to_tensor(images)
        size = tf.shape(images)[1:3]
        drawn = self.draw(tf.shape(images), seed)
        matrices = _inverse(drawn, tf.cast(size, tf.float32))

        def change(some, matrices):
            bilinear_integers = self.interpolation == "bilinear" and images.dtype.is_integer
            return tf.raw_ops.ImageProjectiveTransformV3(
                images=tf.cast(some, tf.float32) if bilinear_integers else some,
                transforms=matrices,
                output_shape=size,
                fill_value=0.0,
                interpolation=self.interpolation.upper(),
                fill_mode="CONSTANT",
            )

        return change_chosen(images, drawn["chosen"], change, [matrices])


def _inverse(drawn, size):
    """The source of each output pixel, `(batch, 8)`, in the form that ImageProjectiveTransformV3 needs."""
    import tensorflow as tf

    angle, shear = drawn["degrees"] * (math.pi / 180.0), drawn["shear"] * (math.pi / 180.0)
    cos, sin, tan = tf.cos(angle), tf.sin(angle), tf.tan(shear)
    # [[1, tan], [0, 1]] · R(−angle) / scale
    a, b = (cos - tan * sin) / drawn["scale"], (sin + tan * cos) / drawn["scale"]
    c, d = -sin / drawn["scale"], cos / drawn["scale"]
    # Positions are measured from the middle of the first pixel, so the centre is (size − 1) / 2.
    center_y, center_x = (size[0] - 1.0) / 2.0, (size[1] - 1.0) / 2.0
    right, down = center_x + drawn["right"], center_y + drawn["down"]
    zero = tf.zeros_like(a)
    columns = [a, b, center_x - a * right - b * down, c, d, center_y - c * right - d * down, zero, zero]
    return tf.stack(columns, axis=1)
