"""One of Pillow's operations, chosen by number while a graph runs, as AutoAugment, RandAugment and AugMix need it.

Each operation is a function of its own in the graph that is not merged into it. Otherwise the parts of all the
operations that were *not* chosen would still have to be passed over one by one, which for most images takes longer
than all the rest.
"""

from functools import partial

import tensorflow as tf

from keras_reid.data.augmentation import operations

_IMAGE = tf.TensorSpec((None, None, 3), tf.uint8)
_NUMBER = tf.TensorSpec((), tf.float64)
_SIGNATURE = [_IMAGE, _NUMBER, tf.TensorSpec((), tf.bool), tf.TensorSpec((), tf.int32)]


def separate(function, signature):
    """`function` as a TensorFlow function that stays apart in the graphs that call it."""
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _identity(image, argument, bicubic, fill):
    return image


def _plain(function, image, argument, bicubic, fill):
    """An operation of the image alone."""
    return function(image)


def _levels(function, image, argument, bicubic, fill):
    """An operation of the image and a number."""
    return function(image, argument)


def _whole(function, image, argument, bicubic, fill):
    """An operation of the image and a whole number."""
    return function(image, tf.cast(argument, tf.int32))


def _shift(name, image, argument, bicubic, fill):
    """A shear or shift."""
    return operations.transform(image, operations.moving(**{name: argument}), bicubic, fill)


def _rotate(image, argument, bicubic, fill):
    return operations.transform(image, operations.rotation(image, argument), bicubic, fill)


# The argument of each: bits that are kept, threshold, factor (1 leaves the image as it is), degrees, pixels of
# shift for each pixel of distance from the edge, pixels of shift.
# Partial functions, for TensorFlow takes lambdas with the same code for one function that is traced too often.
_OPERATIONS = {
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


def apply_operation(image, number, argument, bicubic=False, fill=operations.GREY):
    """Applies the operation `NAMES[number]`.

    Args:
        image: uint8 `(height, width, 3)`.
        number: int32 `()`.
        argument: float64 `()`; what it means, and whether it counts, depends on the operation.
        bicubic: bool `()`, how rotation, shear and shift interpolate; else bilinearly.
        fill: int32 `()`, 0 … 255, what they show of outside the image.

    Returns:
        uint8 of the same shape.
    """
    arguments = (image, argument, tf.convert_to_tensor(bicubic), tf.convert_to_tensor(fill))
    changed = tf.switch_case(number, [lambda f=f: f(*arguments) for f in _SEPARATE])
    return tf.ensure_shape(changed, image.shape)
