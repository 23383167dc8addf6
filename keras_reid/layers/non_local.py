"""Non-local block."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.batch_normalization import BatchNormalization
from keras_reid.layers.initializers import uniform_over_inputs
from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class NonLocal2D(keras.layers.Layer):
    """Non-local block: adds to every position a mean over all positions, weighted by their similarity.

    `y = BN(W · ((θ(x) φ(x)ᵀ / N) g(x))) + x` over the N positions, with 1×1 convolutions θ, φ, g to `inter_channels`
    and W back. This is the dot-product form, without softmax. The last normalisation starts with γ = β = 0, so that the
    untrained block is the identity.

    Without a softmax, the product can be computed as `θ (φᵀ g) / N`. Its cost is linear in N, and it needs no N×N
    matrix. The sum over positions is float32 even under mixed precision.

    Args:
        inter_channels: Channels of θ, φ and g. Defaults to 1, because FastReID's expression for it always gives 1.
        momentum: Momentum of the normalisation's running statistics. Defaults to 0.9.
        epsilon: Added to the variance. Defaults to 1e-5.

    Input shape: `(batch, height, width, channels)`. Output shape: the same.

    Raises:
        ValueError: if `inter_channels` is not positive or the input is not a feature map.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 64))
        >>> block = keras_reid.layers.NonLocal2D()
        >>> bool(keras.ops.all(block(feature_map) == feature_map))
        True

    Source: Wang et al., "Non-local neural networks", 2018, in the form of FastReID's `Non_local`.
    """

    def __init__(
        self, inter_channels: int = 1, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if inter_channels < 1:
            raise ValueError(
                f"`inter_channels` of NonLocal2D must be positive. Received: inter_channels={inter_channels}"
            )
        self.inter_channels = int(inter_channels)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.theta = self._convolution(self.inter_channels, "theta")
        self.phi = self._convolution(self.inter_channels, "phi")
        self.g = self._convolution(self.inter_channels, "g")
        self.norm = BatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            gamma_initializer="zeros",
            name="norm",
            dtype=self.dtype_policy,
        )
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def _convolution(self, channels, name):
        return keras.layers.Dense(
            channels,
            kernel_initializer=uniform_over_inputs(),
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Shape) -> None:
        for layer in (self.theta, self.phi, self.g):
            layer.build(input_shape)
        self.w = self._convolution(input_shape[-1], "w")
        self.w.build((*input_shape[:-1], self.inter_channels))
        self.norm.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        batch, height, width = ops.shape(inputs)[:3]
        flat = (batch, height * width, self.inter_channels)
        theta, phi, g = (
            ops.reshape(at_least_float32(layer(inputs)), flat) for layer in (self.theta, self.phi, self.g)
        )
        positions = ops.cast(height * width, theta.dtype)
        y = ops.matmul(theta, ops.matmul(ops.swapaxes(phi, 1, 2), g) / positions)
        y = ops.cast(ops.reshape(y, (batch, height, width, self.inter_channels)), self.compute_dtype)
        return self.norm(self.w(y), training=training) + inputs

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {"g": self.g, "theta": self.theta, "phi": self.phi, "W.0": self.w, "W.1": self.norm}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inter_channels": self.inter_channels,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
