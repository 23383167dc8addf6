"""MobileNetV2: a light network of inverted residual blocks."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import keras
import numpy as np
from keras import layers

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, policy
from keras_reid.backbones.builder import LayerBuilder
from keras_reid.utils.arguments import ImageShape

# Expansion, channels, blocks, stride of the first block.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM = 32
_LAST = 1280  # at every width


@keras.saving.register_keras_serializable(package="keras_reid")
class MobileNetV2(Backbone):
    """MobileNetV2 feature extractor, without pooling and classifier.

    A block widens its input six times by a 1×1 convolution, filters each channel by a depthwise 3×3 one and
    narrows the result without a non-linearity: `y = x + BN(W2 · relu6(BN(D * relu6(BN(W1 · x)))))`; the sum
    only where the shape stays. Convolutions are padded on all sides, have no biases, and batch normalisation
    has ε 1e-5 and momentum 0.9: torchvision's layout, not that of `keras.applications`.

    Layers are named as in FastReID's weights: `features.3.conv.4`; torchvision's files, which
    count the same layers another way, fit as well.

    Args:
        width: Factor on the paper's channels, 1.0, 0.75, 0.5, 0.35, 0.25 or 0.1; they are rounded to a multiple of 8 (4
            for 0.1), never below 90 %. The last convolution has 1280 channels at every width. Defaults to 1.0.
        pretrained: What the weights start from: None (random), "imagenet" (torchvision's, for width 1.0), or
            the path of a `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 32, width / 32,
    1280)`, rounded up.

    Raises:
        ValueError: if an argument is not one of the values above, or nobody published weights for them.
        UserError: if the weights cannot be fetched or do not fit.

    Example:
        >>> backbone = keras_reid.backbones.MobileNetV2(width=0.1)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 128, 64, 3))))
        (2, 4, 2, 1280)

    Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018. As in FastReID there
    is neither instance-batch normalisation nor a last stride of 1.
    """

    widths = (0.1, 0.25, 0.35, 0.5, 0.75, 1.0)
    presets: ClassVar[dict] = {"mobilenet_v2": {"width": 1.0}}
    smallest: ClassVar[dict] = {"width": 0.1}

    def __init__(
        self,
        width: Literal[0.1, 0.25, 0.35, 0.5, 0.75, 1.0] = 1.0,  # type: ignore[valid-type]
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("MobileNetV2", "width", width, self.widths)
        check_image_shape("MobileNetV2", input_shape)

        # Functional graph.
        dtype = policy(dtype)
        build = _MobileNetBuilder(dtype)
        images = keras.Input(input_shape, name="images")
        x = build.unit(images, _scaled(_STEM, width), "features.0", 0, kernel=3, stride=2)
        number = 1
        for expansion, channels, blocks, stride in _STAGES:
            for index in range(blocks):
                first = stride if index == 0 else 1
                x = build.block(x, _scaled(channels, width), expansion, first, f"features.{number}")
                number += 1
        x = build.unit(x, _LAST, "conv", 0)

        # Configuration.
        super().__init__(
            images,
            x,
            own={"width": float(width)},
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name="mobilenet_v2" if width == 1 else f"mobilenet_v2 of width {width}",
            **kwargs,
        )

    def adapt_checkpoint(self, state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """torchvision's names as FastReID's; a state dict that has these already stays as it is."""
        from keras_reid.checkpoints.torchvision_names import mobilenet_v2_name

        if "features.18.0.weight" not in state:
            return state
        return {mobilenet_v2_name(name): value for name, value in state.items()}


def _scaled(channels, width):
    """`channels · width` rounded to a multiple of 8 (4 at width 0.1), but not to less than 90 % of it."""
    divisor = 4 if width == 0.1 else 8
    rounded = max(divisor, int(channels * width + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels * width else rounded + divisor


class _MobileNetBuilder(LayerBuilder):
    """Adds the parts of MobileNetV2 to a functional graph.

    The original numbers all steps of a block in one row: convolution, normalisation, ReLU6, and so on.
    """

    def block(self, inputs, channels, expansion, stride, name):
        """1×1 to more channels, depthwise 3×3, 1×1 to few channels."""
        x, step = inputs, 0
        if expansion > 1:
            x = self.unit(x, expansion * x.shape[-1], f"{name}.conv", step)
            step += 3
        x = self.depthwise(x, 3, f"{name}.conv.{step}", stride=stride)
        x = self.norm(x, f"{name}.conv.{step + 1}")
        x = self.relu6(x, f"{name}.conv.{step + 2}")
        x = self.convolution(x, channels, 1, f"{name}.conv.{step + 3}")
        x = self.norm(x, f"{name}.conv.{step + 4}")
        if stride == 1 and inputs.shape[-1] == channels:
            x = self.add([inputs, x], f"{name}.add")
        return x

    def unit(self, x, channels, name, step, kernel=1, stride=1):
        """Convolution, normalisation, ReLU6: the steps `step` to `step + 2` of `name`."""
        x = self.convolution(x, channels, kernel, f"{name}.{step}", stride=stride)
        x = self.norm(x, f"{name}.{step + 1}")
        return self.relu6(x, f"{name}.{step + 2}")

    def relu6(self, x, name):
        """`min(max(x, 0), 6)`"""
        return layers.ReLU(max_value=6.0, name=name, dtype=self.dtype)(x)
