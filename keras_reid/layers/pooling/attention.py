"""Attention pooling."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32, softmax
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class AttentionPooling2D(keras.layers.Layer):
    """Mean over the positions of a feature map, weighted by learnt attention.

    `f_c = Σ_x w(x)·x_c` with `w = softmax over the positions of score(x)`, where the score is a learnt linear
    function of the channels at that position. The weights sum to 1; they start equal, so an untrained layer
    is average pooling. Scores and softmax are float32 even under mixed precision.

    Args:
        channel_wise: Whether every channel learns its own weights instead of all sharing one set. Costs
            channels² parameters instead of channels. Defaults to False.

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, channels)`.

    Raises:
        ValueError: if the input is not a feature map.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 512))
        >>> keras.ops.shape(keras_reid.layers.AttentionPooling2D()(feature_map))
        (2, 512)

    Source: He et al., "FastReID: a PyTorch toolbox for general instance re-identification", 2020, section
    3.2; FastReID's code has no such layer. The paper divides by `|X_c · W_c|`; here the softmax has already
    normalised the weights.
    """

    def __init__(self, channel_wise: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channel_wise = bool(channel_wise)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        # No bias: the softmax over positions would cancel it.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, channels if self.channel_wise else 1),
            initializer="zeros",
            autocast=False,
        )

    def call(self, inputs: Tensor) -> Tensor:
        x = at_least_float32(inputs)
        x = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
        weights = softmax(ops.matmul(x, ops.cast(self.kernel, x.dtype)), axis=1)
        return ops.cast(ops.sum(weights * x, axis=1), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channel_wise": self.channel_wise}
