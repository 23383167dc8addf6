"""OSNet's checkpoints: FastReID's and torchreid's have the same names. OSNet-AIN is torchreid's alone."""

from __future__ import annotations

from collections.abc import Mapping

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture

_WIDTHS = {64: 1.0, 48: 0.75, 32: 0.5, 16: 0.25}  # by the channels of the stem
_DEPTHS = {1.0: "x1_0", 0.75: "x0_75", 0.5: "x0_5", 0.25: "x0_25"}


def recognize_osnet(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of an OSNet or OSNet-AIN, or None."""
    ain = "conv2.0.conv2.3.layers.3.conv2.weight" in shapes
    if "conv1.conv.weight" not in shapes or not (ain or "conv2.0.conv2d.3.conv2.weight" in shapes):
        return None
    channels = shapes["conv1.conv.weight"][0]
    width = _WIDTHS.get(channels)
    if width is None:
        raise UserError(
            "The weights are those of an OSNet, but its stem has not 64, 48, 32 or 16 channels. "
            f"Received: {channels} channels"
        )
    if ain:
        return Architecture(backbone="OSNetAIN", arguments={"width": width})
    ibn = "conv2.0.IN.weight" in shapes
    return Architecture(
        backbone="OSNet",
        arguments={"width": width, "ibn": ibn},
        options={
            "MODEL.BACKBONE.NAME": "build_osnet_backbone",
            "MODEL.BACKBONE.DEPTH": _DEPTHS[width],
            "MODEL.BACKBONE.WITH_IBN": ibn,
        },
    )
