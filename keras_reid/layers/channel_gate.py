"""The gate of OSNet."""

import keras

from keras_reid.layers.initializers import normal_over_filters
from keras_reid.layers.squeeze_excite import SqueezeExcite


@keras.saving.register_keras_serializable(package="keras_reid")
class ChannelGate(SqueezeExcite):
    """Squeeze-and-excitation with biases; OSNet applies the same gate to all streams of a block.

    `y_c = x_c · sigmoid(W2 · relu(W1 · mean over positions of x + b1) + b2)_c`.

    Args:
        reduction: The hidden layer has `channels / reduction` units (at least one). Defaults to 16.

    Input shape: `(batch, height, width, channels)`. Output shape: the same.

    Raises:
        ValueError: if `reduction` is below 1 or the input is not a feature map.

    Example:
        >>> gate = keras_reid.layers.ChannelGate()
        >>> keras.ops.shape(gate(keras.random.uniform((2, 16, 8, 64))))
        (2, 16, 8, 64)

    Source: Zhou et al., "Omni-scale feature learning for person re-identification", 2019.
    """

    def _dense(self, units, activation, name):
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=normal_over_filters(),
            name=name,
            dtype=self.dtype_policy,
        )

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {"fc1": self.squeeze, "fc2": self.excite}
