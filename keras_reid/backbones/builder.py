"""Layers of a convolutional network as PyTorch's networks have them, added to a functional graph."""

from collections.abc import Sequence

import keras
from keras import layers

from keras_reid.layers import IBN, BatchNormalization, Conv2D, GroupedConv2D, NonLocal2D
from keras_reid.layers.initializers import normal_over_filters
from keras_reid.utils.hints import Tensor

# Float32 numbers in a vector register of AVX-512. The gradient of a strided 1×1 convolution over fewer channels, such
# as the first of RepVGG, writes beyond its memory there (oneDNN in TensorFlow 2.21), and the process crashes or hangs.
_VECTOR = 16


class LayerBuilder:
    """Adds layers to a functional graph: symmetric padding, batch normalisation with ε 1e-5 and momentum 0.9.

    Every layer is told that channels come last, so that Keras' global `image_data_format` changes no network.

    Every layer that has weights is named as in the original's checkpoints (`layer1.0.conv1`), which is all that an
    importer needs to know.

    Args:
        dtype: The dtype policy of all layers.
    """

    def __init__(self, dtype: keras.DTypePolicy) -> None:
        self.dtype = dtype

    def initializer(self) -> keras.initializers.Initializer:
        """What the kernels of convolutions start from."""
        return normal_over_filters()

    def convolution(
        self,
        x: Tensor,
        filters: int,
        kernel: int,
        name: str,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        use_bias: bool = False,
    ) -> Tensor:
        """A `kernel` × `kernel` convolution that keeps height and width, except for the stride."""
        padding = "same"
        if stride > 1 and kernel > 1:
            # "same" would pad a strided convolution at the bottom and right only.
            x = layers.ZeroPadding2D(
                dilation * (kernel // 2), data_format="channels_last", name=f"{name}.pad", dtype=self.dtype
            )(x)
            padding = "valid"
        if stride > 1 and kernel == 1 and x.shape[-1] < _VECTOR:
            # The same numbers, and no memory overrun.
            x = layers.MaxPooling2D(
                1, strides=stride, data_format="channels_last", name=f"{name}.every", dtype=self.dtype
            )(x)
            stride = 1
        kind = Conv2D if groups == 1 else GroupedConv2D
        return kind(
            filters,
            kernel,
            strides=stride,
            padding=padding,
            groups=groups,
            dilation_rate=dilation,
            data_format="channels_last",
            use_bias=use_bias,
            kernel_initializer=self.initializer(),
            name=name,
            dtype=self.dtype,
        )(x)

    def depthwise(self, x: Tensor, kernel: int, name: str, stride: int = 1) -> Tensor:
        """A convolution of each channel by itself."""
        padding = "same"
        if stride > 1:
            x = layers.ZeroPadding2D(
                kernel // 2, data_format="channels_last", name=f"{name}.pad", dtype=self.dtype
            )(x)
            padding = "valid"
        return layers.DepthwiseConv2D(
            kernel,
            strides=stride,
            padding=padding,
            data_format="channels_last",
            use_bias=False,
            # N(0, sqrt(2 / (kernel² · channels))) as PyTorch counts the fan-out of a grouped convolution: over
            # all groups. That is the fan-in of Keras' kernel, (kernel, kernel, channels, 1).
            depthwise_initializer=keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
            name=name,
            dtype=self.dtype,
        )(x)

    def norm(self, x: Tensor, name: str, ibn: bool = False) -> Tensor:
        """Batch normalisation, or instance-batch normalisation."""
        if ibn:
            return IBN(name=name, dtype=self.dtype)(x)
        return BatchNormalization(name=name, dtype=self.dtype)(x)

    def max_pool(
        self, x: Tensor, name: str, padding: int | tuple[tuple[int, int], tuple[int, int]]
    ) -> Tensor:
        """The maximum of 3×3 with stride 2 over a map whose values are ≥ 0, so that padding with zeros never wins."""
        x = layers.ZeroPadding2D(padding, data_format="channels_last", name=f"{name}.pad", dtype=self.dtype)(
            x
        )
        return layers.MaxPooling2D(3, strides=2, data_format="channels_last", name=name, dtype=self.dtype)(x)

    def non_local(self, x: Tensor, stage: int, index: int, count: int, last: int) -> Tensor:
        """A non-local block, where block number `index` is one of the `last` of a stage's `count`; else nothing."""
        position = index - (count - last)
        if position < 0:
            return x
        return NonLocal2D(name=f"NL_{stage}.{position}", dtype=self.dtype)(x)

    def relu(self, x: Tensor, name: str) -> Tensor:
        return layers.ReLU(name=name, dtype=self.dtype)(x)

    def add(self, tensors: Sequence[Tensor], name: str) -> Tensor:
        return layers.Add(name=name, dtype=self.dtype)(tensors)
