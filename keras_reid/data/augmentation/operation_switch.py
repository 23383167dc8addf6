"""Applies one of Pillow's operations, chosen by number while a graph runs, for AutoAugment, RandAugment and AugMix.

Each operation is a separate function that is not inlined into the graph. Otherwise TensorFlow would have to skip the
nodes of all the operations that were *not* chosen one by one, which for most images takes longer than everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from keras_reid.data.augmentation import operations

_IMAGE = tf.TensorSpec((None, None, 3), tf.uint8)
_NUMBER = tf.TensorSpec((), tf.float64)
_SIGNATURE = [_IMAGE, _NUMBER, tf.TensorSpec((), tf.bool), tf.TensorSpec((), tf.int32)]


def separate(
    function: Callable[..., tf.Tensor], signature: Sequence[tf.TensorSpec]
) -> Callable[..., tf.Tensor]:
    """Makes a TensorFlow function that is not inlined into the graphs that call it."""
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _identity(image, argument, bicubic, fill):
    return image


def _plain(function, image, argument, bicubic, fill):
    """An operation without an argument."""
    return function(image)


def _levels(function, image, argument, bicubic, fill):
    """An operation with a number as argument."""
    return function(image, argument)


def _whole(function, image, argument, bicubic, fill):
    """An operation with a whole number as argument."""
    return function(image, tf.cast(argument, tf.int32))


def _shift(name, image, argument, bicubic, fill):
    """A shear or shift."""
    return operations.transform(image, operations.moving(**{name: argument}), bicubic, fill)


def _rotate(image, argument, bicubic, fill):
    return operations.transform(image, operations.rotation(image, argument), bicubic, fill)


# Arguments: number of bits to keep, threshold, factor (1 leaves the image unchanged), degrees, pixels of shift per
# pixel of distance from the edge, pixels of shift. Partial functions, because TensorFlow treats lambdas with the same
# code as one function that is traced too often.
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "identity": _identity,
    "auto_contrast": partial(_plain, operations.auto_contrast),
    "brightness": partial(_levels, operations.brightness),
    "color": partial(_levels, operations.color),
    "contrast": partial(_levels, operations.contrast),
    "equalize": partial(_plain, operations.equalize),
    "invert": partial(_plain, operations.invert),
    "posterize": partial(_whole, operations.posterize),
    "rotate": _rotate,
    "sharpness": partial(_levels, operations.sharpness),
    "shear_x": partial(_shift, "shear_x"),
    "shear_y": partial(_shift, "shear_y"),
    "solarize": partial(_whole, operations.solarize),
    "translate_x": partial(_shift, "right"),
    "translate_y": partial(_shift, "down"),
}
NAMES = tuple(_OPERATIONS)
_SEPARATE = [separate(operation, _SIGNATURE) for operation in _OPERATIONS.values()]


def apply_operation(
    image: tf.Tensor,
    number: tf.Tensor,
    argument: tf.Tensor,
    bicubic: bool | tf.Tensor = False,
    fill: int | tf.Tensor = operations.GREY,
) -> tf.Tensor:
    """Applies the operation `NAMES[number]`.

    Args:
        image: uint8 `(height, width, 3)`.
        number: int32 `()`.
        argument: float64 `()`; the operation determines its meaning, or ignores it.
        bicubic: bool `()`, whether rotation, shear and shift interpolate bicubically instead of bilinearly.
        fill: int32 `()`, 0 … 255, value outside the image for rotation, shear and shift.

    Returns:
        uint8 of the same shape.
    """
    arguments = (image, argument, tf.convert_to_tensor(bicubic), tf.convert_to_tensor(fill))
    changed = tf.switch_case(number, [lambda f=f: f(*arguments) for f in _SEPARATE])
    return tf.ensure_shape(changed, image.shape)
