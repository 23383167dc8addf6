"""Layers of a convolutional network as PyTorch's networks have them, added to a functional graph."""

import keras
from keras import layers

from keras_reid.layers import IBN


class LayerBuilder:
    """Adds layers to a functional graph: symmetric padding, batch normalisation with ε 1e-5 and momentum 0.9.

    Every layer that has weights is named as in the original's checkpoints (`layer1.0.conv1`), which is all that an
    importer needs to know.

    Args:
        dtype: The dtype policy of all layers.
    """

    def __init__(self, dtype):
        self.dtype = dtype

    def convolution(self, x, filters, kernel, name, stride=1, groups=1, dilation=1, use_bias=False):
        """A `kernel` × `kernel` convolution that keeps height and width but for the stride."""
        padding = "same"
        if stride > 1 and kernel > 1:
            # "same" would pad a strided convolution at the bottom and right only.
            x = layers.ZeroPadding2D(dilation * (kernel // 2), name=f"{name}.pad", dtype=self.dtype)(x)
            padding = "valid"
        return layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding=padding,
            groups=groups,
            dilation_rate=dilation,
            use_bias=use_bias,
            # N(0, sqrt(2 / (kernel² · filters)))
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=name,
            dtype=self.dtype,
        )(x)

    def depthwise(self, x, kernel, name, stride=1):
        """A convolution of each channel by itself."""
        padding = "same"
        if stride > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad", dtype=self.dtype)(x)
            padding = "valid"
        return layers.DepthwiseConv2D(
            kernel,
            strides=stride,
            padding=padding,
            use_bias=False,
            # The fan-out of one channel is kernel²: what VarianceScaling would take for (kernel, kernel, channels, 1)
            # is kernel² · 1.
            depthwise_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=name,
            dtype=self.dtype,
        )(x)

    def norm(self, x, name, ibn=False):
        """Batch normalisation, or instance-batch normalisation."""
        if ibn:
            return IBN(name=name, dtype=self.dtype)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name, dtype=self.dtype)(x)

    def relu(self, x, name):
        return layers.ReLU(name=name, dtype=self.dtype)(x)

    def add(self, tensors, name):
        return layers.Add(name=name, dtype=self.dtype)(tensors)
