"""ResNeSt."""

from typing import Any, ClassVar, Literal

import keras
from keras import layers

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, check_width, policy
from keras_reid.backbones.builder import LayerBuilder
from keras_reid.backbones.residual import EXPANSION, NON_LOCAL, published_name
from keras_reid.layers import SplitAttention
from keras_reid.utils.arguments import ImageShape, NoField

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 200: (3, 24, 36, 3), 269: (3, 30, 48, 8)}


@keras.saving.register_keras_serializable(package="keras_reid")
class ResNeSt(Backbone):
    """ResNeSt feature extractor, without pooling and classifier: a ResNet with split attention for its 3×3
    convolutions, two splits, three small convolutions as stem, and averages where it shrinks the map.

    The layout is the authors' and timm's (`resnest50d`, `resnest101e` …), so that their weights fit; layers are
    named as there, by stage and block: `layer3.0.conv2.fc1`; `NL_2.0` is a non-local block.

    Args:
        depth: Number of layers, 50, 101, 200 or 269. Defaults to 50.
        last_stride: Stride of the last stage, 1 or 2. 1 keeps twice the resolution, 1/16 of the image's,
            which re-identification wants. Defaults to 1.
        non_local: Whether non-local blocks follow the last 2 blocks of stage 2 and the last 3 of stage 3.
            Defaults to False.
        dilate_last_stage: Whether the 3×3 convolutions of the last stage, except its first block, have dilation 2
            where `last_stride` is 1: then they see as much of the image as those that the authors' weights were
            trained with, at stride 2. Networks of FastReID's releases before 2021, the published ones, were
            trained without. Defaults to True.
        width: Channels of the first stage's convolutions, an even number; each later stage doubles them. 64 is the
            paper's; fewer make a lighter network. Defaults to 64.
        pretrained: What the weights start from: None (random), "imagenet" (the authors' weights, fetched once, see
            `keras_reid.checkpoints`; non-local blocks have none and start as the identity), or the path of a
            `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 16, width / 16,
    32 · width)`; half the height and width with `last_stride=2`.

    Raises:
        ValueError: if an argument is not one of the values above, or nobody published weights for them.
        UserError: if the weights cannot be fetched or do not fit.

    Example:
        >>> backbone = keras_reid.backbones.ResNeSt(depth=50, width=8)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 64, 32, 3))))
        (2, 4, 2, 256)

    Source: Zhang et al., "ResNeSt: split-attention networks", 2020; Wang et al., 2018 (non-local). In FastReID,
    releases before 2021 have non-local blocks and later ones dilation; none reads its option for
    squeeze-and-excitation here.
    """

    depths = tuple(_BLOCKS)
    presets: ClassVar[dict] = {f"resnest{depth}": {"depth": depth} for depth in _BLOCKS}
    smallest: ClassVar[dict] = {"depth": 50}

    def __init__(
        self,
        depth: Literal[50, 101, 200, 269] = 50,
        last_stride: Literal[1, 2] = 1,
        non_local: bool = False,
        dilate_last_stage: NoField[bool] = True,
        width: int = 64,
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("ResNeSt", "depth", depth, self.depths)
        check_choice("ResNeSt", "last_stride", last_stride, (1, 2))
        check_width("ResNeSt", width, divisor=2)
        check_image_shape("ResNeSt", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = _ResNeStBuilder(dtype)
        images = keras.Input(input_shape, name="images")
        x = build.stem(images, width // 2 if depth == 50 else width)
        for stage, stride in enumerate((1, 2, 2, last_stride), start=1):
            count = _BLOCKS[depth][stage - 1]
            dilation = 2 if stage == 4 and last_stride == 1 and dilate_last_stage else 1
            for index in range(count):
                x = build.block(
                    x,
                    width * 2 ** (stage - 1),
                    f"layer{stage}.{index}",
                    stride=stride if index == 0 else 1,
                    dilation=dilation if index > 0 else 1,
                    average=stage > 1 and index == 0,
                )
                if non_local:
                    x = build.non_local(x, stage, index, count, NON_LOCAL[stage - 1])

        # Configuration.
        super().__init__(
            images,
            x,
            own={
                "depth": depth,
                "last_stride": last_stride,
                "non_local": bool(non_local),
                "dilate_last_stage": bool(dilate_last_stage),
                "width": width,
            },
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=published_name(f"resnest{depth}", width),
            **kwargs,
        )


class _ResNeStBuilder(LayerBuilder):
    """Stem and blocks."""

    def stem(self, images, channels):
        """Three 3×3 convolutions, the first with stride 2, then the maximum of 3×3 with stride 2."""
        x = self.convolution(images, channels, 3, "conv1.0", stride=2)
        x = self.relu(self.norm(x, "conv1.1"), "conv1.2")
        x = self.convolution(x, channels, 3, "conv1.3")
        x = self.relu(self.norm(x, "conv1.4"), "conv1.5")
        x = self.convolution(x, 2 * channels, 3, "conv1.6")
        x = self.relu(self.norm(x, "bn1"), "relu")
        return self.max_pool(x, "maxpool", padding=1)

    def block(self, inputs, channels, name, stride, dilation, average):
        """1×1, 3×3 with split attention, 1×1 to four times the channels.

        Args:
            inputs: The feature map.
            channels: Channels that the block works in.
            name: Name of the block.
            stride: Of the average and of the shortcut; no convolution has one.
            dilation: Of the 3×3 convolution.
            average: Whether the 3×3 convolution is followed by an average of 3×3, with `stride`.
        """
        x = self.convolution(inputs, channels, 1, f"{name}.conv1")
        x = self.relu(self.norm(x, f"{name}.bn1"), f"{name}.relu1")
        x = SplitAttention(channels, dilation_rate=dilation, name=f"{name}.conv2", dtype=self.dtype)(x)
        if average:
            # The padding counts: at the border the sum of fewer pixels is divided by 9 all the same.
            x = layers.ZeroPadding2D(
                1, data_format="channels_last", name=f"{name}.avd.pad", dtype=self.dtype
            )(x)
            x = layers.AveragePooling2D(
                3, stride, data_format="channels_last", name=f"{name}.avd", dtype=self.dtype
            )(x)
        x = self.convolution(x, EXPANSION * channels, 1, f"{name}.conv3")
        x = self.norm(x, f"{name}.bn3")
        shortcut = self._shortcut(inputs, EXPANSION * channels, name, stride)
        return self.relu(self.add([x, shortcut], f"{name}.add"), f"{name}.relu")

    def _shortcut(self, x, channels, name, stride):
        if stride == 1 and x.shape[-1] == channels:
            return x
        if stride > 1:
            # Here an odd last row or column is averaged by itself, without padding.
            pool = layers.AveragePooling2D(
                stride,
                stride,
                padding="same",
                data_format="channels_last",
                name=f"{name}.downsample.0",
                dtype=self.dtype,
            )
            x = pool(x)
        x = self.convolution(x, channels, 1, f"{name}.downsample.1")
        return self.norm(x, f"{name}.downsample.2")
