"""Generalised-mean pooling."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class GeMPooling2D(keras.layers.Layer):
    """Generalised-mean pooling over all positions of a feature map.

    `f_c = (mean over positions of max(x_c, epsilon)^p)^(1/p)`; p = 1 is the average, p → ∞ the maximum. One
    exponent is shared by all channels.

    The powers are computed through logarithms, in float32 even under mixed precision, so that neither a large exponent
    nor a large activation overflows.

    Args:
        p: The exponent, or its first value where it is learnt; positive. Defaults to 3.0.
        learnable: Whether the exponent is trained. Defaults to True.
        epsilon: Smallest activation, positive; anything below is raised to it. Defaults to 1e-6.

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, channels)`.

    Raises:
        ValueError: if `p` or `epsilon` is not positive, or the input is not a feature map.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 512))
        >>> keras.ops.shape(keras_reid.layers.GeMPooling2D(p=3.0)(feature_map))
        (2, 512)

    Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018.
    FastReID has two classes, one with a fixed and one with a learnt exponent.
    """

    in_experiments = "GeM"
    cuts_negatives = True

    def __init__(self, p: float = 3.0, learnable: bool = True, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not p > 0:
            raise ValueError(
                f"`p` of GeMPooling2D must be positive. Received: p={p}. Use 3.0, or 1.0 for the average."
            )
        if not epsilon > 0:
            raise ValueError(
                f"`epsilon` of GeMPooling2D must be positive, such as 1e-6. Received: epsilon={epsilon}"
            )
        self.initial_p = float(p)
        self.learnable = bool(learnable)
        self.epsilon = float(epsilon)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        self.p = self.add_weight(
            name="p",
            shape=(1,),
            initializer=keras.initializers.Constant(self.initial_p),
            trainable=self.learnable,
            autocast=False,
        )

    def call(self, inputs: Tensor) -> Tensor:
        x = at_least_float32(inputs)
        p = ops.cast(self.p, x.dtype)
        power = p * ops.log(ops.maximum(x, self.epsilon))
        positions = ops.cast(ops.shape(x)[1] * ops.shape(x)[2], x.dtype)
        log_mean = ops.logsumexp(power, axis=(1, 2)) - ops.log(positions)
        return ops.cast(ops.exp(log_mean / p), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "p": self.initial_p,
            "learnable": self.learnable,
            "epsilon": self.epsilon,
        }
