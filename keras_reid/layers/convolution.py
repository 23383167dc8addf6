"""Convolution."""

from typing import Any

import keras
from keras import ops

from keras_reid.utils.convolution import convolution_for_training
from keras_reid.utils.hints import Tensor


# The class has the name of Keras' own, because `.keras` files name the weights of a layer by its class.
@keras.saving.register_keras_serializable(package="keras_reid")
class Conv2D(keras.layers.Conv2D):
    """Keras' convolution, trained in the fastest way this processor knows.

    Outside training it is `keras.layers.Conv2D` to the bit. In training, outputs and gradients are the same numbers
    within rounding; see `keras_reid.utils.convolution`.

    Args:
        filters: Channels of the output.
        kernel_size: Height and width of the kernel in pixels, an integer or a pair.
        kwargs: All other arguments of `keras.layers.Conv2D`. `data_format` is "channels_last" unless it is given,
            whatever Keras is configured to; with "channels_first" the gradients are Keras' own.

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, new height, new width, filters)`.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 64))
        >>> layer = keras_reid.layers.Conv2D(128, 3, padding="same")
        >>> keras.ops.shape(layer(feature_map, training=True))
        (2, 16, 8, 128)

    Source: LeCun et al., "Backpropagation applied to handwritten zip code recognition", 1989.
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **{"data_format": "channels_last", **kwargs})

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.data_format != "channels_last":
            return super().call(inputs)
        outputs = self.convolution_for_training(inputs, self.kernel)
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_for_training(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """What `call` does in training before bias and activation."""
        return convolution_for_training(inputs, kernel, self.strides, self.padding, self.dilation_rate)
