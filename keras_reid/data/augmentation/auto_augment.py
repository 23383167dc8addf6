"""AutoAugment with its ImageNet policy."""

import dataclasses
import functools
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability

if TYPE_CHECKING:
    import tensorflow as tf

# 25 pairs of (operation, probability, level 0 … 10), each pair applied in order.
_POLICY = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("auto_contrast", 0.6, 5)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 4), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 7)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 2)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 8), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("color", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 2)),
    (("equalize", 0.0, 7), ("equalize", 0.8, 8)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("color", 1.0, 2)),
    (("color", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 8)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 9)),
    (("color", 0.4, 0), ("equalize", 0.6, 3)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("auto_contrast", 0.6, 5)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
)
# What a level means to each operation.
_ARGUMENT = {
    "posterize": lambda level: int(level * 0.4) + 4,  # bits that are kept
    "solarize": lambda level: int(level * 25.6),  # threshold
    "color": lambda level: level * 0.18 + 0.1,  # 1 leaves the image as it is
    "contrast": lambda level: level * 0.18 + 0.1,
    "sharpness": lambda level: level * 0.18 + 0.1,
    "auto_contrast": lambda level: 0.0,
    "equalize": lambda level: 0.0,
    "invert": lambda level: 0.0,
    "rotate": lambda level: level * 3.0,  # degrees, either way
    "shear_x": lambda level: level * 0.03,  # either way
}
_EITHER_WAY = ("rotate", "shear_x")


@dataclasses.dataclass(frozen=True)
class AutoAugment:
    """Applies, with a probability, one of the 25 ImageNet sub-policies of AutoAugment, drawn uniformly.

    A sub-policy consists of two operations, each with its own probability and level. Rotation and shear go in either
    direction, and sample bilinearly or bicubically, each with equal probability; they fill with grey (128). Runs on the
    decoded image before it is resized.

    Args:
        probability: probability that an image is changed, 0 … 1.

    Raises:
        ValueError: if `probability` is not from 0 to 1.

    Example:
        >>> AutoAugment(probability=1.0)(tf.zeros((128, 64, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([128, 64, 3])

    Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data, CVPR 2019; levels as
    in FastReID.
    """

    stage: ClassVar[str] = "image"
    probability: float = 0.1

    def __post_init__(self):
        check_probability(self.probability)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """What happens to images of a shape: `chosen` bool, `policy` int32 (0 … 24), both `(batch,)`; of its two
        operations `number` int32 (of `choosing.NAMES`), `argument` float64 and `bicubic` bool, all `(batch, 2)`.

        An operation that its own probability leaves out is "identity".
        """
        import tensorflow as tf

        from keras_reid.data.augmentation.operation_switch import NAMES

        draws = tf.random.stateless_uniform((shape[0], 8), seed)
        policy = tf.cast(draws[:, 1] * len(_POLICY), tf.int32)

        def of_policy(value, dtype):
            return tf.gather(
                tf.constant([[value(*entry) for entry in pair] for pair in _POLICY], dtype), policy
            )

        happens, way, interpolation = tf.unstack(tf.reshape(draws[:, 2:], (-1, 2, 3)), axis=-1)
        number = of_policy(lambda name, chance, level: NAMES.index(name), tf.int32)
        chance = of_policy(lambda name, chance, level: chance, tf.float32)
        argument = of_policy(lambda name, chance, level: _ARGUMENT[name](level), tf.float64)
        either_way = of_policy(lambda name, chance, level: name in _EITHER_WAY, tf.bool)
        return {
            "chosen": draws[:, 0] < self.probability,
            "policy": policy,
            "number": tf.where(happens < chance, number, NAMES.index("identity")),
            "argument": tf.where(either_way & (way >= 0.5), -argument, argument),
            "bicubic": interpolation < 0.5,
        }

    def __call__(self, image: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Image uint8 `(height, width, 3)`, seed `(2,)` → uint8 of the same shape."""
        import tensorflow as tf

        image = tf.convert_to_tensor(image)
        seed = tf.cast(seed, tf.int64)
        # Decide here with the same draw as in `draw`, whose other draws most images do not need.
        chosen = tf.random.stateless_uniform((8,), seed)[0] < self.probability
        changed = tf.cond(chosen, lambda: _augment()(image, seed), lambda: image)
        return tf.ensure_shape(changed, image.shape)


@functools.cache
def _augment():
    """Both operations as a TensorFlow function that costs little for images that do not use it."""
    import tensorflow as tf

    from keras_reid.data.augmentation.operation_switch import apply_operation, separate

    def augment(image, seed):
        drawn = AutoAugment(1.0).draw((1,), seed)
        for step in range(2):
            image = apply_operation(
                image, drawn["number"][0, step], drawn["argument"][0, step], drawn["bicubic"][0, step]
            )
        return image

    return separate(augment, [tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((2,), tf.int64)])
