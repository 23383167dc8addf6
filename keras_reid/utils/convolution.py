"""A convolution that trains in the fastest way the processor knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

# An environment variable: "plain" leaves all convolutions and gradients to TensorFlow.
SWITCH = "KERAS_REID_CONVOLUTIONS"


def convolution_for_training(
    inputs: Any,
    kernel: Any,
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """A 2D convolution; outputs and gradients are the usual ones within rounding.

    On some processors, TensorFlow's gradient towards the input takes four times as long as the convolution. There are
    other ways to compute it: as a convolution of the outputs' gradient with the rotated kernel, or for a kernel of
    1×1 as a matrix product. For a kernel of 3×3 with many channels, Winograd's convolution needs a quarter of the
    multiplications, forward and for both gradients. Which way is fastest is measured once for each kind of convolution
    and machine, and kept in the user's cache (`keras_reid.utils.measured_choices`), so that all processes choose the
    same. TensorFlow's own stay where they are the fastest, on GPUs, in float16, and everywhere with the environment
    variable `KERAS_REID_CONVOLUTIONS=plain`. On other backends this is `keras.ops.conv`.

    Args:
        inputs: `(batch, height, width, channels)`.
        kernel: `(kernel height, kernel width, channels, filters)`.
        strides: rows and columns from one position to the next. Defaults to (1, 1).
        padding: "valid" or "same". Defaults to "valid".
        dilation_rate: rows and columns from one pixel under the kernel to the next. Defaults to (1, 1).

    Returns:
        `(batch, new height, new width, filters)`.

    Example:
        >>> outputs = convolution_for_training(keras.ops.ones((1, 5, 5, 2)), keras.ops.ones((3, 3, 2, 4)))
        >>> keras.ops.shape(outputs)
        (1, 3, 3, 4)
    """
    if keras.backend.backend() == "tensorflow":
        from keras_reid.utils import convolution_tensorflow

        found = convolution_tensorflow.convolution_for_training(
            inputs, kernel, strides, padding, dilation_rate
        )
        if found is not None:
            return found
    return ops.conv(
        inputs, kernel, strides, padding, data_format="channels_last", dilation_rate=dilation_rate
    )


def has_grouped_kernels() -> bool:
    """Whether the library has fast kernels for grouped convolutions here: on TensorFlow with a GPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    from keras_reid.utils import convolution_tensorflow

    return convolution_tensorflow.has_gpu()


def grouped_convolution(
    inputs: Any,
    kernel: Any,
    strides: Sequence[int] = (1, 1),
    padding: str = "valid",
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """A grouped convolution by the library's own kernel, where `has_grouped_kernels()`.

    Args:
        inputs: `(batch, height, width, groups · channels)`.
        kernel: `(kernel height, kernel width, channels, filters)`, `filters` a multiple of the groups.
        strides: as for `convolution_for_training`, and so are `padding` and `dilation_rate`.

    Example:
        >>> if has_grouped_kernels():
        ...     outputs = grouped_convolution(keras.ops.ones((1, 5, 5, 4)), keras.ops.ones((3, 3, 2, 6)))
    """
    from keras_reid.utils import convolution_tensorflow

    return convolution_tensorflow.grouped_convolution(inputs, kernel, strides, padding, dilation_rate)
