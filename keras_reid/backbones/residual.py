"""The residual blocks of ResNet and ResNeXt."""

from collections.abc import Callable, Collection, Iterable

import keras

from keras_reid.backbones.builder import LayerBuilder
from keras_reid.layers import SqueezeExcite
from keras_reid.utils.hints import Tensor

EXPANSION = 4  # a bottleneck block gives four times the channels it works in
# After how many of the last blocks of stages 1 to 4 non-local blocks follow, in most networks of bottlenecks.
NON_LOCAL = (0, 2, 3, 0)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

RESNET_PRESETS = {
    **{f"resnet{depth}": {"depth": depth} for depth in BLOCKS},
    **{f"resnet{depth}_ibn_a": {"depth": depth, "ibn": True} for depth in (18, 34, 50, 101)},
    "se_resnet101_ibn_a": {"depth": 101, "ibn": True, "squeeze_excite": True},
}


def published_name(network: str, width: int, ibn: bool = False, squeeze_excite: bool = False) -> str:
    """What the weights are called that `network` (as "resnet50") starts from with these options."""
    name = f"{'se_' if squeeze_excite else ''}{network}{'_ibn_a' if ibn else ''}"
    return name if width == 64 else f"{name} of width {width}"


class ResidualBuilder(LayerBuilder):
    """Stem, blocks and stages, all with the same options.

    Args:
        dtype: The dtype policy of all layers.
        depth: 18, 34 (basic blocks) or 50, 101, 152 (bottleneck blocks).
        ibn_stages: The stages (1 to 4) whose blocks start with instance-batch normalisation.
        squeeze_excite: Whether blocks end in squeeze-and-excitation.
        groups: Groups of the 3×3 convolution of a bottleneck block.
        group_width: Channels of each of these groups in the first stage; None is a plain convolution's.
        width: Channels of the stem and of the first stage's convolutions.
        pool_padding: Zeros around the map before the first pooling, as `ZeroPadding2D` takes it. One row and
            column at the end are exactly a pooling without padding in ceil mode.
    """

    def __init__(
        self,
        dtype: keras.DTypePolicy,
        depth: int,
        ibn_stages: Collection[int] = (),
        squeeze_excite: bool = False,
        groups: int = 1,
        group_width: int | None = None,
        width: int = 64,
        pool_padding: int | tuple[tuple[int, int], tuple[int, int]] = ((0, 1), (0, 1)),
    ) -> None:
        super().__init__(dtype)
        self.depth = depth
        self.ibn_stages = ibn_stages
        self.squeeze_excite = squeeze_excite
        self.groups = groups
        self.group_width = width if group_width is None else group_width
        self.width = width
        self.pool_padding = pool_padding

    def stem(self, images: Tensor) -> Tensor:
        """7×7 with stride 2, then the maximum of 3×3 with stride 2."""
        x = self.convolution(images, self.width, 7, "conv1", stride=2)
        x = self.norm(x, "bn1")
        return self.max_pool(self.relu(x, "relu"), "maxpool", self.pool_padding)

    def stage(
        self,
        x: Tensor,
        stage: int,
        stride: int,
        blocks: Iterable[int] | None = None,
        non_local: int = 0,
        name: Callable[..., str] | None = None,
    ) -> Tensor:
        """The blocks of a stage.

        Args:
            x: The feature map.
            stage: 1 to 4; each works in twice the channels of the one before.
            stride: Of the first block of a whole stage.
            blocks: `range` of the blocks to add; all of the stage if None.
            non_local: After how many of the last blocks a non-local block follows.
            name: Name of block number i, as a function of i; `layer{stage}.{i}` if None.
        """
        count = BLOCKS[self.depth][stage - 1]
        name = name or (lambda index: f"layer{stage}.{index}")
        block = self.bottleneck if self.depth >= 50 else self.basic
        for index in range(count) if blocks is None else blocks:
            x = block(x, stage, stride if index == 0 else 1, name(index))
            x = self.non_local(x, stage, index, count, non_local)
        return x

    def basic(self, inputs: Tensor, stage: int, stride: int, name: str) -> Tensor:
        """3×3, 3×3."""
        channels = self.width * 2 ** (stage - 1)
        x = self.convolution(inputs, channels, 3, f"{name}.conv1", stride=stride)
        x = self.norm(x, f"{name}.bn1", ibn=stage in self.ibn_stages)
        x = self.relu(x, f"{name}.relu1")
        x = self.convolution(x, channels, 3, f"{name}.conv2")
        x = self.norm(x, f"{name}.bn2")
        return self._finish(x, inputs, stride, name)

    def bottleneck(self, inputs: Tensor, stage: int, stride: int, name: str) -> Tensor:
        """1×1, 3×3 with the stride, 1×1 to four times the channels."""
        channels = self.group_width * self.groups * 2 ** (stage - 1)
        x = self.convolution(inputs, channels, 1, f"{name}.conv1")
        x = self.norm(x, f"{name}.bn1", ibn=stage in self.ibn_stages)
        x = self.relu(x, f"{name}.relu1")
        x = self.convolution(x, channels, 3, f"{name}.conv2", stride=stride, groups=self.groups)
        x = self.norm(x, f"{name}.bn2")
        x = self.relu(x, f"{name}.relu2")
        x = self.convolution(x, EXPANSION * self.width * 2 ** (stage - 1), 1, f"{name}.conv3")
        x = self.norm(x, f"{name}.bn3")
        return self._finish(x, inputs, stride, name)

    def _finish(self, x, inputs, stride, name):
        """Squeeze-and-excitation where wanted, and the sum with the shortcut."""
        if self.squeeze_excite:
            x = SqueezeExcite(name=f"{name}.se", dtype=self.dtype)(x)
        if stride > 1 or inputs.shape[-1] != x.shape[-1]:
            inputs = self.convolution(inputs, x.shape[-1], 1, f"{name}.downsample.0", stride=stride)
            inputs = self.norm(inputs, f"{name}.downsample.1")
        return self.relu(self.add([x, inputs], f"{name}.add"), f"{name}.relu")
