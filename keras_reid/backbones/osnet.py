"""OSNet: a light network whose every block sees several scales."""

from typing import Any, ClassVar, Literal

import keras

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, policy
from keras_reid.backbones.osnet_builder import BLOCKS, CHANNELS, OSNetBuilder
from keras_reid.utils.arguments import ImageShape


@keras.saving.register_keras_serializable(package="keras_reid")
class OSNet(Backbone):
    """OSNet feature extractor, without pooling and classifier.

    A block sends its input, reduced to a quarter of the channels, through four streams of one to four light
    3×3 convolutions (1×1, then depthwise), so that they see 3 to 9 positions, and sums them: `y = x + W · Σ_s
    gate(stream_s(x)) · stream_s(x)`, where one gate for all streams weights every channel by what the image
    holds of it.

    Layers are named as in FastReID's and torchreid's weights, by stage, block and stream: `conv3.0.conv2b.1.bn`.

    Args:
        width: Factor on the paper's channels, 1.0, 0.75, 0.5 or 0.25: times 64 in the stem and 256, 384, 512 in the
            stages. Defaults to 1.0.
        ibn: Whether instance normalisation takes the batch normalisation's place in the stem, and is added
            before the last ReLU of the blocks of the first stage (OSNet-IBN). Defaults to False.
        pretrained: What the weights start from: None (random), "imagenet" (torchreid's, which the original
            starts from; with `ibn` for width 1.0 only), or the path of a `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 16, width / 16,
    512 · width)`.

    Raises:
        ValueError: if an argument is not one of the values above, or nobody published weights for them.
        UserError: if the weights cannot be fetched or do not fit.

    Example:
        >>> backbone = keras_reid.backbones.OSNet(width=0.25)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 128, 64, 3))))
        (2, 8, 4, 128)

    Source: Zhou et al., "Omni-scale feature learning for person re-identification", 2019; Zhou et al.,
    "Learning generalisable omni-scale representations for person re-identification", 2019 (instance
    normalisation).
    """

    widths = (0.25, 0.5, 0.75, 1.0)
    presets: ClassVar[dict] = {
        "osnet_x1_0": {"width": 1.0},
        "osnet_x0_75": {"width": 0.75},
        "osnet_x0_5": {"width": 0.5},
        "osnet_x0_25": {"width": 0.25},
        "osnet_ibn_x1_0": {"width": 1.0, "ibn": True},
    }
    smallest: ClassVar[dict] = {"width": 0.25}

    def __init__(
        self,
        width: Literal[0.25, 0.5, 0.75, 1.0] = 1.0,  # type: ignore[valid-type]
        ibn: bool = False,
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("OSNet", "width", width, self.widths)
        check_image_shape("OSNet", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = OSNetBuilder(dtype)
        stem, *stages = (int(channels * width) for channels in CHANNELS)
        images = keras.Input(input_shape, name="images")
        x = build.stem(images, stem, ibn)
        for stage, channels in enumerate(stages, start=2):
            for index in range(BLOCKS):
                normalised = ibn and stage == 2
                x = build.block(x, channels, f"conv{stage}.{index}", "sum" if normalised else None)
            if stage < 4:
                x = build.transition(x, f"conv{stage}.{BLOCKS}")
        x = build.unit(x, stages[-1], "conv5")

        # Configuration.
        # "1_0", "0_75"
        published = f"osnet_{'ibn_' if ibn else ''}x{str(float(width)).replace('.', '_')}"
        super().__init__(
            images,
            x,
            own={"width": float(width), "ibn": bool(ibn)},
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=published,
            **kwargs,
        )
