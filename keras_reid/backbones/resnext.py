"""ResNeXt with the options that re-identification asks for."""

from typing import Any, ClassVar, Literal

import keras

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, check_width, policy
from keras_reid.backbones.residual import NON_LOCAL, ResidualBuilder, published_name
from keras_reid.utils.arguments import ImageShape, NoField

_GROUPS = 32


@keras.saving.register_keras_serializable(package="keras_reid")
class ResNeXt(Backbone):
    """ResNeXt feature extractor, without pooling and classifier: a ResNet whose 3×3 convolutions are in 32 groups.

    The layout is torchvision's `resnext50_32x4d`, so that its weights fit; layers are named as there, by stage and
    block: `layer3.0.conv1`; `NL_2.0` is a non-local block. Unlike this package's ResNet, and like torchvision's, the
    first pooling is padded by one pixel on all sides.

    Args:
        depth: Number of layers, 50 or 101. Defaults to 50.
        last_stride: Stride of the last stage, 1 or 2. 1 keeps twice the resolution, 1/16 of the image's,
            which re-identification wants. Defaults to 1.
        ibn: Whether the first normalisation of every block in stages 1 to 3 is instance-batch normalisation
            (IBN-a), as in IBN-Net and its published weights. Defaults to False.
        non_local: Whether non-local blocks follow the last 2 blocks of stage 2 and the last 3 of stage 3.
            Defaults to False.
        squeeze_excite: Whether every block ends in squeeze-and-excitation. Defaults to False.
        ibn_last_stage: With `ibn`: whether stage 4 has it as well. FastReID's last releases do so, and networks
            that they trained need it; its earlier ones and IBN-Net do not. Defaults to False.
        width: Channels of the stem, a multiple of 16; each of the 32 groups has `width / 16` channels in stage 1,
            and each later stage doubles them. 64 is the paper's 32×4d; fewer make a lighter network. Defaults to
            64.
        pretrained: What the weights start from: None (random), "imagenet" (published weights, fetched once, see
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
        >>> backbone = keras_reid.backbones.ResNeXt(depth=50, width=16)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 64, 32, 3))))
        (2, 4, 2, 512)

    Source: Xie et al., "Aggregated residual transformations for deep neural networks", 2017; Pan et al., 2018
    (IBN); Wang et al., 2018 (non-local). FastReID puts the same five non-local blocks into both depths, and has no
    squeeze-and-excitation here: its option is not read.
    """

    depths = (50, 101)
    presets: ClassVar[dict] = {
        "resnext50_32x4d": {"depth": 50},
        "resnext101_32x4d_ibn_a": {"depth": 101, "ibn": True},
    }
    smallest: ClassVar[dict] = {"depth": 50}

    def __init__(
        self,
        depth: Literal[50, 101] = 50,
        last_stride: Literal[1, 2] = 1,
        ibn: bool = False,
        non_local: bool = False,
        squeeze_excite: bool = False,
        ibn_last_stage: NoField[bool] = False,
        width: int = 64,
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("ResNeXt", "depth", depth, self.depths)
        check_choice("ResNeXt", "last_stride", last_stride, (1, 2))
        if ibn_last_stage and not ibn:
            raise ValueError("`ibn_last_stage` of ResNeXt needs `ibn=True`. Received: ibn=False")
        check_width("ResNeXt", width, divisor=16)
        check_image_shape("ResNeXt", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = ResidualBuilder(
            dtype,
            depth,
            ibn_stages=((1, 2, 3, 4) if ibn_last_stage else (1, 2, 3)) if ibn else (),
            squeeze_excite=squeeze_excite,
            groups=_GROUPS,
            group_width=width // 16,
            width=width,
            pool_padding=1,
        )
        images = keras.Input(input_shape, name="images")
        x = build.stem(images)
        for stage, stride in enumerate((1, 2, 2, last_stride), start=1):
            x = build.stage(x, stage, stride, non_local=NON_LOCAL[stage - 1] if non_local else 0)

        # Configuration.
        published = published_name(f"resnext{depth}_32x4d", width, ibn, squeeze_excite)
        super().__init__(
            images,
            x,
            own={
                "depth": depth,
                "last_stride": last_stride,
                "ibn": bool(ibn),
                "non_local": bool(non_local),
                "squeeze_excite": bool(squeeze_excite),
                "ibn_last_stage": bool(ibn_last_stage),
                "width": width,
            },
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=f"{published} with IBN in the last stage" if ibn_last_stage else published,
            **kwargs,
        )
