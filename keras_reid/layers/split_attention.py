"""Split attention."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.batch_normalization import BatchNormalization
from keras_reid.layers.grouped_convolution import GroupedConv2D
from keras_reid.layers.initializers import normal_over_filters
from keras_reid.layers.numerics import at_least_float32, softmax
from keras_reid.utils.hints import Shape, Tensor

_SMALLEST_HIDDEN = 32


@keras.saving.register_keras_serializable(package="keras_reid")
class SplitAttention(keras.layers.Layer):
    """Split attention: several convolutions of an image, mixed per channel by weights that depend on the image.

    `u_r = relu(BN(conv_r(x_r)))` for each of the `radix` splits r, where `x_r` is the r-th part of the input's
    channels; `h = relu(BN(W1 · mean over positions of Σ_r u_r + b1))`; `a_r = W2_r · h + b2_r`; then

    `y_c = Σ_r softmax_r(a_r)_c · u_rc`, or `y_c = sigmoid(a)_c · u_c` for a single split.

    The map keeps its height and width.

    Args:
        filters: Channels of the output, and of each split.
        kernel_size: Height and width of the convolutions' kernels in pixels, an odd integer. Defaults to 3.
        radix: Number of splits, a divisor of the input's channels. Defaults to 2.
        dilation_rate: Distance in pixels between the kernels' taps. Defaults to 1.
        reduction: The hidden layer has `channels · radix / reduction` units, at least 32. Defaults to 4.

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, height, width, filters)`.

    Raises:
        ValueError: if an argument is not a positive integer, `kernel_size` is even, the input is not a feature map
            or its channels are not a multiple of `radix`.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 64))
        >>> keras.ops.shape(keras_reid.layers.SplitAttention(filters=128)(feature_map))
        (2, 16, 8, 128)

    Source: Zhang et al., "ResNeSt: split-attention networks", 2020, with cardinality 1.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        radix: int = 2,
        dilation_rate: int = 1,
        reduction: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        arguments = {
            "filters": filters,
            "kernel_size": kernel_size,
            "radix": radix,
            "dilation_rate": dilation_rate,
            "reduction": reduction,
        }
        for name, value in arguments.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` of SplitAttention must be a positive integer. Received: {name}={value!r}"
                )
            setattr(self, name, value)
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` of SplitAttention must be odd, so that padding is the same on all sides. "
                f"Received: kernel_size={kernel_size}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self.conv = GroupedConv2D(
            filters * radix,
            kernel_size,
            groups=radix,
            padding="same",
            dilation_rate=dilation_rate,
            data_format="channels_last",
            use_bias=False,
            kernel_initializer=normal_over_filters(),
            name="conv",
            dtype=self.dtype_policy,
        )
        self.bn0 = self._norm("bn0")
        self.bn1 = self._norm("bn1")
        self.fc2 = self._dense(filters * radix, "fc2")

    def _norm(self, name):
        return BatchNormalization(name=name, dtype=self.dtype_policy)

    def _dense(self, units, name):
        return keras.layers.Dense(
            units, kernel_initializer=normal_over_filters(), name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape: Shape) -> None:
        batch, height, width, channels = input_shape
        if channels % self.radix:
            raise ValueError(
                f"SplitAttention needs channels that are a multiple of its radix ({self.radix}). "
                f"Received: input shape {tuple(input_shape)}"
            )
        hidden = max(channels * self.radix // self.reduction, _SMALLEST_HIDDEN)
        self.conv.build(input_shape)
        self.bn0.build((batch, height, width, self.filters * self.radix))
        self.fc1 = self._dense(hidden, "fc1")
        self.fc1.build((batch, self.filters))
        self.bn1.build((batch, hidden))
        self.fc2.build((batch, hidden))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        each_split = (-1, self.radix, self.filters)
        x = ops.relu(self.bn0(self.conv(inputs, training=training), training=training))
        averages = ops.reshape(ops.mean(at_least_float32(x), axis=(1, 2)), each_split)
        hidden = ops.relu(self.bn1(self.fc1(ops.sum(averages, axis=1)), training=training))
        scores = ops.reshape(at_least_float32(self.fc2(hidden)), each_split)
        attention = ops.sigmoid(scores) if self.radix == 1 else softmax(scores, axis=1)
        attention = ops.cast(attention, self.compute_dtype)
        splits = ops.split(x, self.radix, axis=-1)
        return sum(attention[:, r, None, None, :] * split for r, split in enumerate(splits))

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {name: getattr(self, name) for name in ("conv", "bn0", "fc1", "bn1", "fc2")}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "radix": self.radix,
            "dilation_rate": self.dilation_rate,
            "reduction": self.reduction,
        }
