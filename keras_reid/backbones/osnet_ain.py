"""OSNet-AIN: OSNet with instance normalisation where a search found it to help on other data."""

from typing import Any, ClassVar, Literal

import keras

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, policy
from keras_reid.backbones.osnet import OSNet
from keras_reid.backbones.osnet_builder import CHANNELS, OSNetBuilder
from keras_reid.utils.arguments import ImageShape

# Whether instance normalisation is in the branch of a block, for both blocks of each stage.
_NORMALISED = ((True, True), (False, True), (True, False))


@keras.saving.register_keras_serializable(package="keras_reid")
class OSNetAIN(Backbone):
    """OSNet-AIN feature extractor, without pooling and classifier.

    As `OSNet`, with instance normalisation in the place of the stem's batch normalisation, and of the last one in the
    branch of four blocks: `y = x + IN(W · Σ_s gate(stream_s(x)) · stream_s(x))`. The places were searched for, for what
    a network knows of cameras that it was not trained on.

    Layers are named as in torchreid's weights: `conv2.0.conv2.1.layers.0.bn`, `pool2.0.conv`.

    Args:
        width: Factor on the paper's channels, 1.0, 0.75, 0.5 or 0.25: times 64 in the stem and 256, 384, 512 in the
            stages. Defaults to 1.0.
        pretrained: What the weights start from: None (random), "imagenet" (torchreid's), or the path of a `.pth`
            file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 16, width / 16,
    512 · width)`.

    Raises:
        ValueError: if an argument is not one of the values above.
        UserError: if the weights cannot be fetched or do not fit.

    Example:
        >>> backbone = keras_reid.backbones.OSNetAIN(width=0.25)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 128, 64, 3))))
        (2, 8, 4, 128)

    Source: Zhou et al., "Learning generalisable omni-scale representations for person re-identification", 2021;
    torchreid's `osnet_ain`.
    """

    widths = OSNet.widths
    presets: ClassVar[dict] = {
        "osnet_ain_x1_0": {"width": 1.0},
        "osnet_ain_x0_75": {"width": 0.75},
        "osnet_ain_x0_5": {"width": 0.5},
        "osnet_ain_x0_25": {"width": 0.25},
    }
    smallest: ClassVar[dict] = {"width": 0.25}

    def __init__(
        self,
        width: Literal[0.25, 0.5, 0.75, 1.0] = 1.0,  # type: ignore[valid-type]
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("OSNetAIN", "width", width, self.widths)
        check_image_shape("OSNetAIN", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = _OSNetAINBuilder(dtype)
        stem, *stages = (int(channels * width) for channels in CHANNELS)
        images = keras.Input(input_shape, name="images")
        x = build.stem(images, stem, ibn=True)
        for stage, (channels, normalised) in enumerate(zip(stages, _NORMALISED, strict=True), start=2):
            for index, in_branch in enumerate(normalised):
                x = build.block(x, channels, f"conv{stage}.{index}", "branch" if in_branch else None)
            if stage < 4:
                x = build.transition(x, f"pool{stage}")
        x = build.unit(x, stages[-1], "conv5")

        # Configuration.
        super().__init__(
            images,
            x,
            own={"width": float(width)},
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=f"osnet_ain_x{str(float(width)).replace('.', '_')}",  # "1_0", "0_75"
            **kwargs,
        )


class _OSNetAINBuilder(OSNetBuilder):
    def stream_name(self, depth, index):
        return f"conv2.{depth - 1}.layers.{index}"
