"""Batch normalisation of feature maps."""

from typing import Any

import keras
from keras import ops

from keras_reid.utils.batch_norm import normalize_over_batch
from keras_reid.utils.hints import Tensor

_FUSED = ("float16", "bfloat16", "float32")


# The class has the name of Keras' own, because `.keras` files name the weights of a layer by its class.
@keras.saving.register_keras_serializable(package="keras_reid")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation with PyTorch's defaults, and faster in training on feature maps.

    `y = (x - μ) / sqrt(σ² + ε) · γ + β`. In training, μ and σ² are the mean and the biased variance of the batch, and
    the running statistics follow them. In inference, and with `trainable=False`, they are the running statistics.

    Results are those of Keras' layer within rounding; on TensorFlow, one operation computes them in place of a dozen.
    Keras' layer still does everything that is not training on feature maps, and masks, `synchronized` and `renorm`.

    Args:
        momentum: Share of the old running statistics in the new ones. Defaults to 0.9.
        epsilon: Added to the variance. Defaults to 1e-5.
        kwargs: The other arguments of `keras.layers.BatchNormalization`.

    Input shape: `(batch, height, width, channels)`, or with fewer axes. Output shape: the same.

    Example:
        >>> feature_map = keras.random.normal((8, 16, 8, 64), mean=3.0)
        >>> outputs = keras_reid.layers.BatchNormalization()(feature_map, training=True)
        >>> abs(float(keras.ops.mean(outputs))) < 1e-3
        True

    Source: Ioffe and Szegedy, "Batch normalization", 2015.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if not (training and self.trainable) or mask is not None or not self._is_plain(inputs):
            return super().call(inputs, training=training, mask=mask)
        channels = (inputs.shape[-1],)
        gamma = ops.cast(self.gamma, "float32") if self.scale else ops.ones(channels, "float32")
        beta = ops.cast(self.beta, "float32") if self.center else ops.zeros(channels, "float32")
        outputs, mean, variance = normalize_over_batch(inputs, gamma, beta, self.epsilon)
        for moving, current in ((self.moving_mean, mean), (self.moving_variance, variance)):
            current = ops.cast(current, moving.dtype)
            moving.assign(moving * self.momentum + current * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _is_plain(self, inputs):
        return (
            len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and keras.backend.standardize_dtype(inputs.dtype) in _FUSED
            and not self.synchronized
            and not self.renorm
        )
