"""Instance-batch normalisation."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class IBN(keras.layers.Layer):
    """Instance-batch normalisation (IBN-a): instance norm on half of the channels, batch norm on the other half.

    The first `floor(channels / 2)` channels are normalised over the positions of each image, which removes its style
    (brightness, contrast, camera). The other channels are normalised over the batch, which keeps the features that
    distinguish identities. Both halves have a learnt scale and offset; the instance half has no running statistics.

    Args:
        momentum: Momentum of the batch half's running statistics. Defaults to 0.9.
        epsilon: Added to the variances. Defaults to 1e-5.

    Input shape: `(batch, height, width, channels)`, at least two channels. Output shape: the same.

    Raises:
        ValueError: if the input is not a feature map or has a single channel.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 64))
        >>> keras.ops.shape(keras_reid.layers.IBN()(feature_map, training=True))
        (2, 16, 8, 64)

    Source: Pan et al., "Two at once: enhancing learning and generalization capacities via IBN-Net", 2018.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        # Holds the weights and running statistics of the batch half; `call` computes both halves together.
        self.batch_norm = keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, name="batch_norm", dtype=self.dtype_policy
        )
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels < 2:
            raise ValueError(
                f"IBN needs at least two channels to halve. Received: input shape {tuple(input_shape)}"
            )
        self.instance_channels = channels // 2
        shape = (self.instance_channels,)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)
        self.batch_norm.build((*input_shape[:-1], channels - self.instance_channels))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        x = at_least_float32(inputs)
        half = self.instance_channels
        mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
        batch_mean, batch_variance = self._batch_statistics(mean[..., half:], variance[..., half:], training)
        mean = ops.concatenate([mean[..., :half], batch_mean], axis=-1)
        variance = ops.concatenate([variance[..., :half], batch_variance], axis=-1)
        gamma = ops.concatenate([self.gamma, self.batch_norm.gamma])
        beta = ops.concatenate([self.beta, self.batch_norm.beta])
        # One multiplication and one addition per pixel, without slicing the map itself: the gradient of the slice would
        # cost more than everything else.
        scale = ops.rsqrt(variance + self.epsilon) * ops.cast(gamma, x.dtype)
        offset = ops.cast(beta, x.dtype) - mean * scale
        return ops.cast(x * scale + offset, self.compute_dtype)

    def _batch_statistics(self, means, variances, training):
        """Mean and variance of the batch half from those of the images, repeated for each image.

        The variance over the batch is the mean of the images' variances plus the variance of their means.
        """
        norm = self.batch_norm
        if training and norm.trainable:
            if norm.synchronized:  # over the replicas, which all have the same number of images
                mean, between = ops.moments(means, axes=0, keepdims=True, synchronized=True)
                within, _ = ops.moments(variances, axes=0, keepdims=True, synchronized=True)
                variance = within + between
            else:
                mean = ops.mean(means, axis=0, keepdims=True)
                variance = ops.mean(variances + ops.square(means - mean), axis=0, keepdims=True)
            for moving, current in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
                current = ops.cast(ops.reshape(current, (-1,)), moving.dtype)
                moving.assign(moving * norm.momentum + current * (1.0 - norm.momentum))
        else:
            mean, variance = (
                ops.reshape(ops.cast(moving, means.dtype), (1, 1, 1, -1))
                for moving in (norm.moving_mean, norm.moving_variance)
            )
        shape = ops.shape(means)
        return ops.broadcast_to(mean, shape), ops.broadcast_to(variance, shape)

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {"IN.weight": self.gamma, "IN.bias": self.beta, "BN": self.batch_norm}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
