"""Average pooling clipped to the range from 0 to 1."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class ClippedAveragePooling2D(keras.layers.Layer):
    """Average over all positions of a feature map, limited to the range from 0 to 1.

    `f_c = min(max(mean over positions of x_c, 0), 1)`

    The average is float32 even under mixed precision. A channel whose average lies outside the range passes no
    gradient.

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, channels)`.

    Raises:
        ValueError: if the input is not a feature map.

    Example:
        >>> feature_map = 3.0 * keras.ops.ones((1, 16, 8, 2)) * keras.ops.array([0.1, 1.0])
        >>> [round(float(x), 4) for x in keras_reid.layers.ClippedAveragePooling2D()(feature_map)[0]]
        [0.3, 1.0]

    Source: FastReID, `ClipGlobalAvgPool`.
    """

    cuts_negatives = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        average = ops.mean(at_least_float32(inputs), axis=(1, 2))
        return ops.cast(ops.clip(average, 0.0, 1.0), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])
