"""RepVGG, and its fused form."""

from typing import Any, ClassVar, Literal, Self, get_args

import keras
import numpy as np

from keras_reid.backbones.base import Backbone, check_choice, check_image_shape, check_width, policy
from keras_reid.backbones.builder import LayerBuilder
from keras_reid.layers.initializers import uniform_over_inputs
from keras_reid.utils.arguments import ImageShape, NoField

# Blocks of stages 1 to 4, and the channels of each as multiples of `width`, 2, 4 and 8 times `width`.
_A, _B = (2, 4, 14, 1), (4, 6, 16, 1)
_SIZES = {
    "A0": (_A, (0.75, 0.75, 0.75, 2.5)),
    "A1": (_A, (1, 1, 1, 2.5)),
    "A2": (_A, (1.5, 1.5, 1.5, 2.75)),
    "B0": (_B, (1, 1, 1, 2.5)),
    "B1": (_B, (2, 2, 2, 4)),
    "B2": (_B, (2.5, 2.5, 2.5, 5)),
    "B3": (_B, (3, 3, 3, 5)),
}
_Variant = Literal["A0", "A1", "A2", "B0", "B1", "B1g2", "B1g4", "B2", "B2g2", "B2g4", "B3", "B3g2", "B3g4"]
_VARIANTS = get_args(_Variant)


@keras.saving.register_keras_serializable(package="keras_reid")
class RepVGG(Backbone):
    """RepVGG feature extractor: trained with three branches a block, deployed as plain 3×3 convolutions.

    A block is `relu(BN(3×3 x) + BN(1×1 x) + BN(x))`, the last term only where input and output have the same
    shape. All terms are linear once the normalisations' statistics are fixed, so `fuse()` sums them up into one
    3×3 convolution with bias.

    Layers are named as in the weights that exist: `stage1.0.rbr_dense.conv`, `stage1.0.rbr_1x1.bn`,
    `stage1.0.rbr_identity`; fused `stage1.0.rbr_reparam`, whose name in FastReID's files,
    `stage1.0.fused_weight`, is understood as well.

    Args:
        variant: Size: "A0", "A1", "A2" (22 blocks), "B0", "B1", "B2", "B3" (28 blocks), or one of the last three with
            "g2" or "g4", as "B1g4": every second block's convolutions in 2 or 4 groups. Defaults to "A0".
        last_stride: Stride of the last stage, 1 or 2. 1 keeps twice the resolution, 1/16 of the image's.
            Defaults to 1.
        fused: Whether a block is a single 3×3 convolution with bias; `fuse()` makes such a network from a trained
            one. Defaults to False.
        width: Channels that the variants' multiples refer to, a multiple of 8. 64 is the paper's; fewer make a
            lighter network. Defaults to 64.
        pretrained: What the weights start from: None (random) or the path of a `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 16, width / 16, channels)`
    with 1280 (A0, A1, B0), 1408 (A2), 2048 (B1…) or 2560 (B2…, B3…) channels at the default width; half the
    height and width with `last_stride=2`.

    Raises:
        ValueError: if an argument is not one of the values above, or nobody published weights for them.
        UserError: if the weights do not fit.

    Example:
        >>> backbone = keras_reid.backbones.RepVGG("A0", width=16)
        >>> fused = backbone.fuse()
        >>> keras.ops.shape(fused(keras.random.normal((2, 128, 64, 3))))
        (2, 8, 4, 320)

    Source: Ding et al., "RepVGG: making VGG-style ConvNets great again", 2021.
    """

    variants = _VARIANTS
    smallest: ClassVar[dict] = {"variant": "A0"}
    # The original's own fused files against the paper's.
    checkpoint_aliases = ((".rbr_reparam.", ".fused_"),)

    def __init__(
        self,
        variant: _Variant = "A0",
        last_stride: Literal[1, 2] = 1,
        fused: NoField[bool] = False,
        width: int = 64,
        pretrained: str | None = None,
        input_shape: ImageShape = (None, None, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        check_choice("RepVGG", "variant", variant, _VARIANTS)
        check_choice("RepVGG", "last_stride", last_stride, (1, 2))
        check_image_shape("RepVGG", input_shape)
        check_width("RepVGG", width, divisor=8)

        # Functional graph.
        dtype = policy(dtype)
        build = _RepVGGBuilder(dtype, fused)
        images = keras.Input(input_shape, name="images")
        x = images
        for block, (channels, stride, groups) in _blocks(variant, width, last_stride).items():
            x = build.block(x, channels, stride, groups, block)

        # Configuration.
        super().__init__(
            images,
            x,
            own={
                "variant": variant,
                "last_stride": last_stride,
                "fused": bool(fused),
                "width": width,
            },
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=f"repvgg_{variant}",
            **kwargs,
        )

    def fuse(self) -> Self:
        """The same function as a `RepVGG` with `fused=True`; a copy if it is one already.

        `kernel = γ3/σ3 · K3 + pad(γ1/σ1 · K1) + γ0/σ0 · identity`, `bias = Σ β − γ µ/σ`, in float64, with the
        running statistics: what the network computes with `training=False`.
        """
        fused = type(self).from_config({**self.get_config(), "fused": True})
        if self.fused:
            fused.set_weights(self.get_weights())
            return fused
        own = {layer.name: layer for layer in self.layers}
        for block in _blocks(self.variant, self.width, self.last_stride):
            target = fused.get_layer(f"{block}.rbr_reparam")
            kernel, bias = np.zeros(target.kernel.shape), np.zeros(target.bias.shape)
            for branch, norm in (("rbr_dense", ".bn"), ("rbr_1x1", ".bn"), ("rbr_identity", "")):
                norm = own.get(f"{block}.{branch}{norm}")
                if norm is None:  # a block that changes the shape has no identity
                    continue
                if branch == "rbr_identity":
                    convolution = _identity_kernel(*kernel.shape[2:])
                else:
                    convolution = _numpy(own[f"{block}.{branch}.conv"].kernel)
                scale = _numpy(norm.gamma) / np.sqrt(_numpy(norm.moving_variance) + norm.epsilon)
                margin = (3 - convolution.shape[0]) // 2
                kernel += np.pad(convolution * scale, ((margin, margin), (margin, margin), (0, 0), (0, 0)))
                bias += _numpy(norm.beta) - _numpy(norm.moving_mean) * scale
            target.kernel.assign(kernel)
            target.bias.assign(bias)
        return fused


def _blocks(variant, width, last_stride):
    """`{name: (channels, stride, groups)}` of all blocks in their order."""
    size, _, groups = variant.partition("g")
    counts, multiples = _SIZES[size]
    found = {"stage0": (min(width, int(width * multiples[0])), 2, 1)}
    for stage, (count, multiple) in enumerate(zip(counts, multiples, strict=True), start=1):
        for index in range(count):
            stride = 1 if index else (last_stride if stage == 4 else 2)
            # Every second block of the whole network is in groups.
            own_groups = int(groups) if groups and len(found) % 2 == 0 else 1
            channels = int(width * 2 ** (stage - 1) * multiple)
            found[f"stage{stage}.{index}"] = (channels, stride, own_groups)
    return found


class _RepVGGBuilder(LayerBuilder):
    """Blocks in either form."""

    def __init__(self, dtype, fused):
        super().__init__(dtype)
        self.fused = fused

    def initializer(self):
        return uniform_over_inputs()

    def block(self, x, channels, stride, groups, name):
        strided = {"stride": stride, "groups": groups}
        if self.fused:
            x = self.convolution(x, channels, 3, f"{name}.rbr_reparam", use_bias=True, **strided)
            return self.relu(x, f"{name}.nonlinearity")
        branches = []
        for branch, kernel in (("rbr_dense", 3), ("rbr_1x1", 1)):
            y = self.convolution(x, channels, kernel, f"{name}.{branch}.conv", **strided)
            branches.append(self.norm(y, f"{name}.{branch}.bn"))
        if stride == 1 and x.shape[-1] == channels:
            branches.append(self.norm(x, f"{name}.rbr_identity"))
        return self.relu(self.add(branches, f"{name}.add"), f"{name}.nonlinearity")


def _identity_kernel(inputs, channels):
    """The 3×3 kernel, in groups of `inputs` channels, that leaves a map as it is."""
    kernel = np.zeros((3, 3, inputs, channels))
    kernel[1, 1, np.arange(channels) % inputs, np.arange(channels)] = 1
    return kernel


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")
