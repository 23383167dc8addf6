"""ResNet with the options that re-identification asks for."""

from typing import Any, ClassVar, Literal

import keras

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, check_width, policy
from keras_reid.backbones.residual import BLOCKS, NON_LOCAL, RESNET_PRESETS, ResidualBuilder, published_name
from keras_reid.utils.arguments import ImageShape

_NON_LOCAL = {18: (0, 0, 0, 0), 34: (0, 0, 0, 0), 50: NON_LOCAL, 101: (0, 2, 9, 0), 152: (0, 2, 9, 0)}


@keras.saving.register_keras_serializable(package="keras_reid")
class ResNet(Backbone):
    """ResNet feature extractor, without pooling and classifier.

    The layout is torchvision's, so that its weights fit: stride on the 3×3 convolution of a bottleneck,
    symmetric padding, no biases, batch normalisation with ε 1e-5 and momentum 0.9. The first pooling has no
    padding and covers the last row and column (ceil mode), as in FastReID.

    Layers are named as in those weights, by stage and block: `layer3.0.conv1`; `NL_2.0` is a non-local block.

    Args:
        depth: Number of layers: 18, 34 (basic blocks), 50, 101 or 152 (bottleneck blocks). Defaults to 50.
        last_stride: Stride of the last stage, 1 or 2. 1 keeps twice the resolution, 1/16 of the image's,
            which re-identification wants. Defaults to 1.
        ibn: Whether the first normalisation of every block in stages 1 to 3 is instance-batch normalisation
            (IBN-a). Defaults to False.
        non_local: Whether non-local blocks follow the last 2 blocks of stage 2 and the last 3 (depth 50) or 9
            (depth 101, 152) of stage 3. Depths 18 and 34 have none, as in the original, which has no depth
            152. Defaults to False.
        squeeze_excite: Whether every block ends in squeeze-and-excitation. Defaults to False.
        width: Channels of the stem and of the first stage's convolutions; each later stage doubles them. 64
            is the paper's; fewer make a lighter network. Defaults to 64.
        pretrained: What the weights start from: None (random), "imagenet" (the weights that the original starts
            from: torchvision's, or IBN-Net's with `ibn`; fetched once, see `keras_reid.checkpoints`; non-local
            blocks have none and start as the identity), or the path of a `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 16, width / 16,
    channels)` with `channels = 8 · width` for basic and `32 · width` for bottleneck blocks; half the height
    and width with `last_stride=2`.

    Raises:
        ValueError: if an argument is not one of the values above, or nobody published weights for them.
        UserError: if the weights cannot be fetched or do not fit.

    Example:
        >>> backbone = keras_reid.backbones.ResNet(depth=18, width=16)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 128, 64, 3))))
        (2, 8, 4, 128)

    Source: He et al., "Deep residual learning for image recognition", 2016; Luo et al., "Bag of tricks", 2019
    (last stride); Pan et al., 2018 (IBN); Wang et al., 2018 (non-local); Hu et al., 2018
    (squeeze-and-excitation).
    """

    depths = tuple(BLOCKS)
    presets: ClassVar[dict] = RESNET_PRESETS
    smallest: ClassVar[dict] = {"depth": 18}

    def __init__(
        self,
        depth: Literal[18, 34, 50, 101, 152] = 50,
        last_stride: Literal[1, 2] = 1,
        ibn: bool = False,
        non_local: bool = False,
        squeeze_excite: bool = False,
        width: int = 64,
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("ResNet", "depth", depth, self.depths)
        check_choice("ResNet", "last_stride", last_stride, (1, 2))
        check_width("ResNet", width, least=2)
        check_image_shape("ResNet", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = ResidualBuilder(
            dtype, depth, ibn_stages=(1, 2, 3) if ibn else (), squeeze_excite=squeeze_excite, width=width
        )
        images = keras.Input(input_shape, name="images")
        x = build.stem(images)
        for stage, stride in enumerate((1, 2, 2, last_stride), start=1):
            x = build.stage(x, stage, stride, non_local=_NON_LOCAL[depth][stage - 1] if non_local else 0)

        # Configuration.
        super().__init__(
            images,
            x,
            own={
                "depth": depth,
                "last_stride": last_stride,
                "ibn": bool(ibn),
                "non_local": bool(non_local),
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
