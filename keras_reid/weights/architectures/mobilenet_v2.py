"""MobileNetV2's checkpoints: FastReID's and torchvision's have different names."""

from __future__ import annotations

from collections.abc import Mapping

from keras_reid.checkpoints.torchvision_names import mobilenet_v2_name
from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture

_TORCHVISION = {"features.1.conv.0.0.weight", "features.18.0.weight"}
# By the channels before the last convolution: two widths share a stem.
_WIDTHS = {320: 1.0, 240: 0.75, 160: 0.5, 112: 0.35, 80: 0.25, 32: 0.1}


def recognize_mobilenet_v2(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a MobileNetV2, or None."""
    if set(shapes) >= _TORCHVISION:
        shapes = {mobilenet_v2_name(name): shape for name, shape in shapes.items()}
    # The last of its blocks and the convolution after it; MobileNetV3 has fewer blocks.
    if "features.17.conv.6.weight" not in shapes or "conv.0.weight" not in shapes:
        return None
    channels = shapes["conv.0.weight"][1]
    width = _WIDTHS.get(channels)
    if width is None:
        raise UserError(
            "The weights are those of a MobileNetV2, but not of width 1.0, 0.75, 0.5, 0.35, 0.25 or 0.1. "
            f"Received: {channels} channels before the last convolution"
        )
    return Architecture(
        backbone="MobileNetV2",
        arguments={"width": width},
        options={
            "MODEL.BACKBONE.NAME": "build_mobilenetv2_backbone",
            "MODEL.BACKBONE.DEPTH": f"{width}x",
        },
    )
