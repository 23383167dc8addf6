"""RandAugment."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_integer, check_number, check_probability

if TYPE_CHECKING:
    import tensorflow as tf

# What a level from 0 to 10 means for each operation; higher is stronger.
_ARGUMENT = {
    "identity": lambda level: 0.0,
    "auto_contrast": lambda level: 0.0,
    "equalize": lambda level: 0.0,
    "rotate": lambda level: level * 3.0,  # degrees
    "solarize": lambda level: 256 - int(level * 25.6),  # threshold
    "color": lambda level: level * 0.09,  # away from factor 1
    "posterize": lambda level: 8 - int(level * 0.4),  # bits that are kept
    "contrast": lambda level: level * 0.09,
    "brightness": lambda level: level * 0.09,
    "sharpness": lambda level: level * 0.09,
    "shear_x": lambda level: level * 0.03,
    "shear_y": lambda level: level * 0.03,
    "translate_x": lambda level: level * 0.045,  # of the width
    "translate_y": lambda level: level * 0.045,  # of the height
}
_FACTORS = ("color", "contrast", "brightness", "sharpness")
_EITHER_WAY = (*_FACTORS, "rotate", "shear_x", "shear_y", "translate_x", "translate_y")


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """Applies, with a probability, some operations drawn uniformly from 14, in sequence and at the same level.

    Identity, auto contrast, equalize, rotate (≤ 30°), solarize, colour, posterize (to 4 bits), contrast, brightness,
    sharpness (factors 1 ± 0.9), shear along x or y (≤ 0.3), shift along x or y (≤ 0.45 of the size). The values in
    brackets are for level 10; each level adds a tenth. Operations with two directions choose either with equal
    probability. Operations that move pixels sample bilinearly or bicubically with equal probability, and fill with grey
    (128). Runs on the decoded image before it is resized.

    Args:
        operations: number of operations to apply, at least 1.
        magnitude: level, 0 … 10.
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> RandAugment(operations=2, magnitude=9)(tf.zeros((128, 64, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([128, 64, 3])

    Source: Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, 2020.
    Deliberate difference: posterize, solarize and the factors become stronger with the level (in the paper's
    code, some become weaker).
    """

    stage: ClassVar[str] = "image"
    operations: int = 2
    magnitude: float = 9.0
    probability: float = 1.0

    def __post_init__(self):
        check_integer("operations", self.operations, 1)
        check_number("magnitude", self.magnitude, 0, 10)
        check_probability(self.probability)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """What happens to images of a shape: `chosen` bool `(batch,)`; `number` int32 (of `choosing.NAMES`),
        `argument` float64 and `bicubic` bool, all `(batch, operations)`.
        """
        import tensorflow as tf

        from keras_reid.data.augmentation.operation_switch import NAMES

        draws = tf.random.stateless_uniform((shape[0], 1 + 3 * self.operations), seed)
        kind, way, interpolation = tf.unstack(tf.reshape(draws[:, 1:], (-1, self.operations, 3)), axis=-1)
        kind = tf.cast(kind * len(_ARGUMENT), tf.int32)

        def of_kind(values, dtype):
            return tf.gather(tf.constant(values, dtype), kind)

        argument = of_kind([argument(self.magnitude) for argument in _ARGUMENT.values()], tf.float64)
        either_way = of_kind([name in _EITHER_WAY for name in _ARGUMENT], tf.bool)
        argument = tf.where(either_way & (way >= 0.5), -argument, argument)
        argument += of_kind([name in _FACTORS for name in _ARGUMENT], tf.float64)
        height, width = (tf.cast(side, tf.float64) for side in (shape[1], shape[2]))
        argument *= tf.where(kind == list(_ARGUMENT).index("translate_x"), width, 1.0)
        argument *= tf.where(kind == list(_ARGUMENT).index("translate_y"), height, 1.0)
        return {
            "chosen": draws[:, 0] < self.probability,
            "number": of_kind([NAMES.index(name) for name in _ARGUMENT], tf.int32),
            "argument": argument,
            "bicubic": interpolation < 0.5,
        }

    def __call__(self, image: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Image uint8 `(height, width, 3)`, seed `(2,)` → uint8 of the same shape."""
        import tensorflow as tf

        from keras_reid.data.augmentation.operation_switch import apply_operation

        image = tf.convert_to_tensor(image)
        drawn = self.draw((1, tf.shape(image)[0], tf.shape(image)[1]), seed)

        def augment():
            changed = tf.ensure_shape(image, (None, None, 3))
            for step in range(self.operations):
                changed = apply_operation(
                    changed,
                    drawn["number"][0, step],
                    drawn["argument"][0, step],
                    drawn["bicubic"][0, step],
                )
            return changed

        return tf.ensure_shape(tf.cond(drawn["chosen"][0], augment, lambda: image), image.shape)
