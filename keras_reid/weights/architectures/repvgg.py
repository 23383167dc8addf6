"""RepVGG's checkpoints, in the form it is trained in and in the fused one."""

from __future__ import annotations

from collections.abc import Mapping

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture, count_blocks

_STAGES = ("stage1", "stage2", "stage3", "stage4")
# A block's 3×3 convolution: in training; fused, as the paper's authors and as FastReID name it.
_TRAINED = ".rbr_dense.conv.weight"
_FUSED = (".rbr_reparam.weight", ".fused_weight")
# Blocks, and channels of the first block and of all stages at the default width of 64.
_SIZES = {
    "A0": ((2, 4, 14, 1), (48, 48, 96, 192, 1280)),
    "A1": ((2, 4, 14, 1), (64, 64, 128, 256, 1280)),
    "A2": ((2, 4, 14, 1), (64, 96, 192, 384, 1408)),
    "B0": ((4, 6, 16, 1), (64, 64, 128, 256, 1280)),
    "B1": ((4, 6, 16, 1), (64, 128, 256, 512, 2048)),
    "B2": ((4, 6, 16, 1), (64, 160, 320, 640, 2560)),
    "B3": ((4, 6, 16, 1), (64, 192, 384, 768, 2560)),
}


def recognize_repvgg(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a RepVGG, or None."""
    weight = next((name for name in (_TRAINED, *_FUSED) if f"stage0{name}" in shapes), None)
    if weight is None:
        return None
    blocks = count_blocks(shapes, _STAGES)
    first = ["stage0", *(f"{stage}.0" for stage in _STAGES)]
    channels = tuple(shapes.get(block + weight, (0,))[0] for block in first)
    groups = _groups(shapes, weight)
    variant = _variant(blocks, channels, groups)
    if variant is None:
        raise UserError(
            "The weights are those of a RepVGG, but not of a known variant. Received: "
            f"{blocks} blocks of {channels[1:]} channels after {channels[0]}, {groups} groups"
        )
    name, width = variant
    return Architecture(
        backbone="RepVGG",
        arguments={"variant": name, "width": width, "fused": weight != _TRAINED},
        options={"MODEL.BACKBONE.NAME": "build_repvgg_backbone", "MODEL.BACKBONE.DEPTH": name},
        open_arguments={"MODEL.BACKBONE.LAST_STRIDE": "last_stride"},
    )


def _groups(shapes, weight):
    """Groups of the first block that has any in a grouped variant."""
    outputs, inputs = shapes.get(f"stage1.1{weight}", (1, 1))[:2]
    return outputs // inputs


def _variant(blocks, channels, groups):
    """`(variant, width)` that has these blocks, channels and groups, or None."""
    for size, (own_blocks, own_channels) in _SIZES.items():
        width = 64 * channels[0] // own_channels[0]
        if blocks == own_blocks and all(
            64 * found == width * own for found, own in zip(channels, own_channels, strict=True)
        ):
            if groups == 1:
                return size, width
            if groups in (2, 4) and size in ("B1", "B2", "B3"):
                return f"{size}g{groups}", width
    return None
