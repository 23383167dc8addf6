"""Pooling of a map with a single position."""

from typing import Any

import keras
from keras import ops

from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class IdentityPooling2D(keras.layers.Layer):
    """The vector of a feature map that has a single position, such as a transformer's class token.

    `f_c = x_c`

    A larger map raises an error and is never averaged silently. If the size is known, the error comes at once;
    otherwise it comes when the model runs.

    Input shape: `(batch, 1, 1, channels)`. Output shape: `(batch, channels)`.

    Raises:
        ValueError: if the input is not a feature map of one position.

    Example:
        >>> token = keras.random.uniform((2, 1, 1, 768))
        >>> keras.ops.shape(keras_reid.layers.IdentityPooling2D()(token))
        (2, 768)

    Source: FastReID's pooling `Identity`, which its vision transformer needs.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        _check(inputs.shape)
        # With the batch size instead of -1, a map with more positions cannot be reshaped.
        return ops.reshape(inputs, (ops.shape(inputs)[0], inputs.shape[-1]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        _check(input_shape)
        return (input_shape[0], input_shape[-1])


def _check(shape):
    if any(size not in (None, 1) for size in tuple(shape)[1:3]):
        raise ValueError(
            "IdentityPooling2D needs a feature map of one position, (batch, 1, 1, channels). Received: shape "
            f"{tuple(shape)}. Use a pooling over positions, such as GeMPooling2D."
        )
