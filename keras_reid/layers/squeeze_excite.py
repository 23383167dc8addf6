"""Squeeze-and-excitation."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.initializers import uniform_over_inputs
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class SqueezeExcite(keras.layers.Layer):
    """Squeeze-and-excitation: scales every channel by a gate computed from the average of all channels.

    `y_c = x_c · sigmoid(W2 · relu(W1 · mean over positions of x))_c`, both matrices without bias.

    Args:
        reduction: The hidden layer has `channels / reduction` units (at least one). Defaults to 16.

    Input shape: `(batch, height, width, channels)`. Output shape: the same.

    Raises:
        ValueError: if `reduction` is below 1 or the input is not a feature map.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 64))
        >>> keras.ops.shape(keras_reid.layers.SqueezeExcite(reduction=16)(feature_map))
        (2, 16, 8, 64)

    Source: Hu, Shen, Sun, "Squeeze-and-excitation networks", 2018.
    """

    def __init__(self, reduction: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if reduction < 1:
            raise ValueError(
                f"`reduction` of {type(self).__name__} must be at least 1. Received: reduction={reduction}"
            )
        self.reduction = int(reduction)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        hidden = max(1, channels // self.reduction)
        self.squeeze = self._dense(hidden, "relu", "squeeze")
        self.squeeze.build((input_shape[0], channels))
        self.excite = self._dense(channels, "sigmoid", "excite")
        self.excite.build((input_shape[0], hidden))

    def _dense(self, units, activation, name):
        return keras.layers.Dense(
            units,
            activation=activation,
            use_bias=False,
            kernel_initializer=uniform_over_inputs(),
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, inputs: Tensor) -> Tensor:
        gate = self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))
        return inputs * gate[:, None, None, :]

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {"fc.0": self.squeeze, "fc.2": self.excite}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}
