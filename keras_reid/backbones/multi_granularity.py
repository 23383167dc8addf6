"""The three-branch ResNet of the multiple granularity network."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import keras
import numpy as np

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, check_width, policy
from keras_reid.backbones.residual import BLOCKS, RESNET_PRESETS, ResidualBuilder, published_name
from keras_reid.utils.arguments import ImageShape

BRANCHES = ("b1", "b2", "b3")
_BLOCK = re.compile(r"layer([34])\.(\d+)\.")


@keras.saving.register_keras_serializable(package="keras_reid")
class MultiGranularityResNet(Backbone):
    """ResNet that splits into three branches after the first block of stage 3, for `heads.MultiGranularityHeads`.

    The stem, stages 1 and 2 and the first block of stage 3 are shared; the rest of stage 3 and stage 4 exist three
    times, so that each branch learns its own granularity: the whole body, halves, thirds. The second and third
    branch never stride in stage 4, which leaves them enough rows to divide.

    Layers are named as in FastReID's checkpoints: the shared ones `conv1`, `layer1.0.conv1` and so on, those of the
    branches `b1.0.0.conv1` (rest of stage 3) and `b1.1.0.conv1` (stage 4).

    Args:
        depth: Number of layers, 50, 101 or 152. Defaults to 50.
        last_stride: Stride of stage 4 in the first branch, 1 or 2. Defaults to 1.
        ibn: Whether blocks of stages 1 to 3 start with instance-batch normalisation (IBN-a). Defaults to False.
        squeeze_excite: Whether every block ends in squeeze-and-excitation. Defaults to False.
        width: Channels of the stem; 64 is the paper's, see `backbones.ResNet`. Defaults to 64.
        pretrained: What the weights start from: None (random), "imagenet" or the path of a `.pth` file, as for
            `backbones.ResNet`, whose weights are copied into all three branches. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output: a list of three feature maps
    `(batch, height / 16, width / 16, 32 · width)`, the first at half of that with `last_stride=2`.

    Raises:
        ValueError: if an argument is not one of the values above, or nobody published weights for them.
        UserError: if the weights cannot be fetched or do not fit.

    Example:
        >>> backbone = keras_reid.backbones.MultiGranularityResNet(depth=50, width=4)
        >>> [keras.ops.shape(x) for x in backbone(keras.random.normal((2, 128, 64, 3)))]
        [(2, 8, 4, 128), (2, 8, 4, 128), (2, 8, 4, 128)]

    Source: Wang et al., "Learning discriminative features with multiple granularities for person
    re-identification", 2018; FastReID's `MGN`. As there, it has no non-local blocks.
    """

    depths = tuple(depth for depth in BLOCKS if depth >= 50)
    presets: ClassVar[dict] = {
        name: arguments for name, arguments in RESNET_PRESETS.items() if arguments["depth"] >= 50
    }
    smallest: ClassVar[dict] = {"depth": 50, "width": 16}

    def __init__(
        self,
        depth: Literal[50, 101, 152] = 50,
        last_stride: Literal[1, 2] = 1,
        ibn: bool = False,
        squeeze_excite: bool = False,
        width: int = 64,
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("MultiGranularityResNet", "depth", depth, self.depths)
        check_choice("MultiGranularityResNet", "last_stride", last_stride, (1, 2))
        check_width("MultiGranularityResNet", width, least=2)
        check_image_shape("MultiGranularityResNet", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = ResidualBuilder(
            dtype, depth, ibn_stages=(1, 2, 3) if ibn else (), squeeze_excite=squeeze_excite, width=width
        )
        images = keras.Input(input_shape, name="images")
        x = build.stem(images)
        x = build.stage(x, 1, stride=1)
        x = build.stage(x, 2, stride=2)
        x = build.stage(x, 3, stride=2, blocks=range(1))
        maps = []
        for branch, stride in zip(BRANCHES, (last_stride, 1, 1), strict=True):
            rest = range(1, BLOCKS[depth][2])
            y = build.stage(x, 3, stride=2, blocks=rest, name=lambda i, b=branch: f"{b}.0.{i - 1}")
            maps.append(build.stage(y, 4, stride=stride, name=lambda i, b=branch: f"{b}.1.{i}"))

        # Configuration.
        super().__init__(
            images,
            maps,
            own={
                "depth": depth,
                "last_stride": last_stride,
                "ibn": bool(ibn),
                "squeeze_excite": bool(squeeze_excite),
                "width": width,
            },
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=published_name(f"resnet{depth}", width, ibn, squeeze_excite),
            **kwargs,
        )

    def adapt_checkpoint(self, state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """A plain ResNet's weights with those of the branches three times."""
        adapted = {}
        for name, value in state.items():
            block = _BLOCK.match(name)
            if block is None or name.startswith("layer3.0."):
                adapted[name] = value
                continue
            stage, index = int(block[1]), int(block[2])
            position = f"0.{index - 1}" if stage == 3 else f"1.{index}"
            for branch in BRANCHES:
                adapted[f"{branch}.{position}.{name[block.end() :]}"] = value
        return adapted
