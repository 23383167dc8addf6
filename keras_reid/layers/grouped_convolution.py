"""Grouped convolution."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.convolution import Conv2D
from keras_reid.utils.convolution import grouped_convolution, has_grouped_kernels
from keras_reid.utils.hints import Tensor

# Input channels of one dense convolution. Fewer waste vector units; more waste products with zeros. Measured on CPUs
# for the shapes of ResNeXt, 32 is best or nearly best in every stage.
_DENSE_CHANNELS = 32


@keras.saving.register_keras_serializable(package="keras_reid")
class GroupedConv2D(Conv2D):
    """Grouped convolution built from dense ones, so that it runs, trains and exports wherever a plain convolution does.

    The channels form `groups` parts, and each part of the output sees only the corresponding part of the input. Weights
    and results are the same as for `keras.layers.Conv2D(groups=…)`. On TensorFlow that layer compiles with XLA, which
    on a CPU takes seconds for the gradient of a single layer, and gives exporters a graph that contains XLA.

    Neighbouring groups with few channels are computed as one dense convolution whose kernel is zero between the groups.
    In training on a GPU, TensorFlow's grouped kernel does it, which multiplies no zeros.

    Args:
        filters: Channels of the output, a multiple of `groups`.
        kernel_size: Height and width of the kernel in pixels, an integer or a pair.
        groups: Number of groups, a divisor of the input's channels. Defaults to 1, a plain convolution.
        kwargs: All other arguments of `keras.layers.Conv2D`.

    Input shape: `(batch, height, width, channels)`. Output shape: `(batch, new height, new width, filters)`.

    Raises:
        ValueError: if `groups` does not divide both the input's channels and `filters`.

    Example:
        >>> feature_map = keras.random.uniform((2, 16, 8, 64))
        >>> layer = keras_reid.layers.GroupedConv2D(128, 3, groups=32, padding="same", use_bias=False)
        >>> keras.ops.shape(layer(feature_map))
        (2, 16, 8, 128)
        >>> tuple(layer.kernel.shape)
        (3, 3, 2, 128)

    Source: Xie et al., "Aggregated residual transformations for deep neural networks", 2017.
    """

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], groups: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(filters, kernel_size, groups=groups, **kwargs)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return self._by_part(super().convolution_op, inputs, kernel)

    def convolution_for_training(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        if self.groups > 1 and has_grouped_kernels():
            return grouped_convolution(inputs, kernel, self.strides, self.padding, self.dilation_rate)
        return self._by_part(super().convolution_for_training, inputs, kernel)

    def _by_part(self, convolve, inputs, kernel):
        """Convolves each part of the channels with its part of the kernel."""
        axis = -1 if self.data_format == "channels_last" else 1
        merged = self._merged(kernel.shape[2])
        parts = self.groups // merged
        outputs = [
            convolve(part, _block_diagonal(part_kernel, merged))
            for part, part_kernel in zip(
                ops.split(inputs, parts, axis=axis), ops.split(kernel, parts, axis=-1), strict=True
            )
        ]
        return ops.concatenate(outputs, axis=axis)

    def _merged(self, channels):
        """How many groups with this many channels one dense convolution covers."""
        enough = [
            count
            for count in range(1, self.groups + 1)
            if self.groups % count == 0 and count * channels >= _DENSE_CHANNELS
        ]
        return enough[0] if enough else self.groups


def _block_diagonal(kernel, groups):
    """`(height, width, channels, groups · filters)` → `(height, width, groups · channels, groups · filters)`."""
    if groups == 1:
        return kernel
    height, width, channels, outputs = kernel.shape
    filters = outputs // groups
    # The group axes are the third (input) and the fifth (output).
    same_group = ops.reshape(ops.eye(groups, dtype=kernel.dtype), (groups, 1, groups, 1))
    blocks = ops.reshape(kernel, (height, width, 1, channels, groups, filters)) * same_group
    return ops.reshape(blocks, (height, width, groups * channels, outputs))
