"""ResNeSt's checkpoints: FastReID's, the authors' and timm's have the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture, count_blocks

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_DEPTHS: dict[tuple[int, ...], int] = {
    (3, 4, 6, 3): 50,
    (3, 4, 23, 3): 101,
    (3, 24, 36, 3): 200,
    (3, 30, 48, 8): 269,
}


def recognize_resnest(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a ResNeSt, or None."""
    if "layer1.0.conv2.fc1.weight" not in shapes or "layer1.0.conv1.weight" not in shapes:
        return None
    blocks = count_blocks(shapes, _STAGES)
    depth = _DEPTHS.get(blocks)
    width = shapes["layer1.0.conv1.weight"][0]
    convolution = tuple(shapes.get("layer1.0.conv2.conv.weight", ())[:2])
    if depth is None or convolution != (2 * width, width // 2):
        raise UserError(
            "The weights are those of a ResNeSt, but not 50, 101, 200 or 269 layers deep with two splits. "
            f"Received: {blocks} blocks and a first split convolution of shape {convolution}"
        )
    non_local = any(name.startswith("NL_") for name in shapes)
    options: dict[str, Any] = {
        "MODEL.BACKBONE.NAME": "build_resnest_backbone",
        "MODEL.BACKBONE.DEPTH": f"{depth}x",
    }
    if non_local:
        # Without them it may say anything: today's releases do not read it, nor WITH_IBN and WITH_SE.
        options["MODEL.BACKBONE.WITH_NL"] = True
    return Architecture(
        backbone="ResNeSt",
        arguments={
            "depth": depth,
            "width": width,
            "non_local": non_local,
            # The releases that have non-local blocks have no dilation.
            "dilate_last_stage": not non_local,
        },
        options=options,
        open_arguments={"MODEL.BACKBONE.LAST_STRIDE": "last_stride"},
    )
