"""Average plus maximum pooling."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class AverageMaxPooling2D(keras.layers.Layer):
    """Sum of the average and the maximum over all positions of a feature map.

    `f_c = mean over positions of x_c + max over positions of x_c`

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, channels)`.

    Raises:
        ValueError: if the input is not a feature map.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 512))
        >>> keras.ops.shape(keras_reid.layers.AverageMaxPooling2D()(feature_map))
        (2, 512)

    Source: FastReID, `AdaptiveAvgMaxPool`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        x = at_least_float32(inputs)
        return ops.cast(ops.mean(x, axis=(1, 2)) + ops.max(x, axis=(1, 2)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])
