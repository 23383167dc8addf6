"""The parts that OSNet and OSNet-AIN are made of."""

from typing import Literal

from keras import layers

from keras_reid.backbones.builder import LayerBuilder
from keras_reid.layers import ChannelGate
from keras_reid.utils.hints import Tensor

CHANNELS = (64, 256, 384, 512)  # stem, conv2, conv3, conv4
BLOCKS = 2  # in each stage
_REDUCTION = 4  # a block works in a quarter of its output's channels
_STREAMS = "abcd"  # with 1, 2, 3 and 4 light convolutions: 3×3, 5×5, 7×7 and 9×9 in effect


class OSNetBuilder(LayerBuilder):
    """Adds the parts of OSNet to a functional graph."""

    def stem(self, images: Tensor, channels: int, ibn: bool) -> Tensor:
        """7×7 with stride 2, then the maximum of 3×3 with stride 2."""
        x = self.convolution(images, channels, 7, "conv1.conv", stride=2)
        x = self.instance_norm(x, "conv1.bn") if ibn else self.norm(x, "conv1.bn")
        x = self.relu(x, "conv1.relu")
        return self.max_pool(x, "maxpool", padding=1)

    def block(
        self,
        inputs: Tensor,
        channels: int,
        name: str,
        instance_norm: Literal["sum", "branch"] | None = None,
    ) -> Tensor:
        """Streams of 1 to 4 light convolutions, gated, summed, and added to the shortcut.

        Instance normalisation may follow the sum with the shortcut ("sum"), or take the place of the batch
        normalisation before it ("branch").
        """
        inner = channels // _REDUCTION
        reduced = self.unit(inputs, inner, f"{name}.conv1")
        gate = ChannelGate(name=f"{name}.gate", dtype=self.dtype)
        streams = []
        for depth in range(1, len(_STREAMS) + 1):
            x = reduced
            for index in range(depth):
                x = self.light_convolution(x, f"{name}.{self.stream_name(depth, index)}")
            streams.append(gate(x))
        x = self.add(streams, f"{name}.sum")
        if instance_norm == "branch":
            x = self.convolution(x, channels, 1, f"{name}.conv3.conv")
            x = self.instance_norm(x, f"{name}.IN")
        else:
            x = self.unit(x, channels, f"{name}.conv3", linear=True)
        if inputs.shape[-1] != channels:
            inputs = self.unit(inputs, channels, f"{name}.downsample", linear=True)
        x = self.add([x, inputs], f"{name}.add")
        if instance_norm == "sum":
            x = self.instance_norm(x, f"{name}.IN")
        return self.relu(x, f"{name}.relu")

    def stream_name(self, depth: int, index: int) -> str:
        """Name, below the block's, of a light convolution of the stream that has `depth` of them."""
        return f"conv2{_STREAMS[depth - 1]}" + ("" if depth == 1 else f".{index}")

    def transition(self, x: Tensor, name: str) -> Tensor:
        """1×1, then the average of 2×2, which halves height and width."""
        x = self.unit(x, x.shape[-1], f"{name}.0")
        return layers.AveragePooling2D(2, data_format="channels_last", name=f"{name}.1", dtype=self.dtype)(x)

    def unit(self, x: Tensor, channels: int, name: str, linear: bool = False) -> Tensor:
        """1×1 convolution and normalisation, and a ReLU unless `linear`."""
        x = self.convolution(x, channels, 1, f"{name}.conv")
        x = self.norm(x, f"{name}.bn")
        return x if linear else self.relu(x, f"{name}.relu")

    def light_convolution(self, x: Tensor, name: str) -> Tensor:
        """A 3×3 convolution in two: 1×1 over the channels, 3×3 over the positions."""
        x = self.convolution(x, x.shape[-1], 1, f"{name}.conv1")
        x = self.depthwise(x, 3, f"{name}.conv2")
        return self.relu(self.norm(x, f"{name}.bn"), f"{name}.relu")

    def instance_norm(self, x: Tensor, name: str) -> Tensor:
        """Normalisation of each channel over the positions of each image."""
        return layers.GroupNormalization(groups=-1, epsilon=1e-5, name=name, dtype=self.dtype)(x)
