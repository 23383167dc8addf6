"""AutoAugment with the policy found on ImageNet."""

import dataclasses
from typing import ClassVar

from keras_reid.data.augmentation.validation import check_probability

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
_NAMES = tuple(_ARGUMENT)


@dataclasses.dataclass(frozen=True)
class AutoAugment:
    """Applies, with a probability, one of the 25 ImageNet sub-policies of AutoAugment, drawn uniformly.

    A sub-policy is two operations, each with its own probability and level. Rotation and shear go either way
    with equal chance, are sampled bilinearly or bicubically with equal chance, and fill with grey (128).
    Runs on the decoded image before it is resized.

    Args:
        probability: of changing an image at all, 0 … 1.

    Raises:
        ValueError: if `probability` is not from 0 to 1.

    Example:
        >>> AutoAugment(probability=1.0)(tf.zeros((128, 64, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([128, 64, 3])

    Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data, CVPR 2019; levels as
    FastReID's.
    """

    stage: ClassVar[str] = "image"
    probability: float = 0.1

    def __post_init__(self):
        check_probability(self.probability)

    def __call__(self, image, seed):
        """Image uint8 `(height, width, 3)`, seed `(2,)` → uint8 of the same shape."""
        import tensorflow as tf

        image = tf.convert_to_tensor(image)
        draws = tf.random.stateless_uniform((8,), seed)

        def augment():
            number = tf.cast(draws[1] * len(_POLICY), tf.int32)
            first_and_second = tf.reshape(draws[2:], (2, 3))
            # A loop, so that the graph holds the operations once.
            _, changed = tf.while_loop(
                lambda place, _: place < 2,
                lambda place, image: (place + 1, _apply_one(image, number, place, first_and_second[place])),
                (tf.constant(0), tf.ensure_shape(image, (None, None, 3))),
                shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, None, 3))),
            )
            return changed

        return tf.ensure_shape(tf.cond(draws[0] < self.probability, augment, lambda: image), image.shape)


def _apply_one(image, number, place, draws):
    """The first or second operation (`place` 0 or 1) of sub-policy `number`, with its probability."""
    import tensorflow as tf

    from keras_reid.data.augmentation import operations

    kind = tf.constant([[_NAMES.index(name) for name, _, _ in pair] for pair in _POLICY])[number, place]
    chances = tf.constant([[chance for _, chance, _ in pair] for pair in _POLICY], tf.float32)
    arguments = [[_ARGUMENT[name](level) for name, _, level in pair] for pair in _POLICY]
    argument = tf.constant(arguments, tf.float64)[number, place]
    either_way = tf.where(draws[1] < 0.5, argument, -argument)

    def move():
        is_rotation = kind == _NAMES.index("rotate")
        matrix = tf.where(is_rotation, operations.rotation(image, either_way), operations.shear(either_way))
        return operations.transform(image, matrix, bicubic=draws[2] < 0.5)

    # In the order of _NAMES.
    branches = (
        lambda: operations.posterize(image, tf.cast(argument, tf.int32)),
        lambda: operations.solarize(image, tf.cast(argument, tf.int32)),
        lambda: operations.color(image, argument),
        lambda: operations.contrast(image, argument),
        lambda: operations.sharpness(image, argument),
        lambda: operations.auto_contrast(image),
        lambda: operations.equalize(image),
        lambda: operations.invert(image),
        move,  # rotate and shear_x
    )
    return tf.cond(
        draws[0] < chances[number, place],
        lambda: tf.switch_case(tf.minimum(kind, len(branches) - 1), branches),
        lambda: image,
    )
