"""ResNeXt's checkpoints: FastReID's, torchvision's and IBN-Net's have the same names."""

from __future__ import annotations

from collections.abc import Mapping

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture, count_blocks

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_DEPTHS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101}


def recognize_resnext(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a ResNeXt, or None."""
    grouped = shapes.get("layer1.0.conv2.weight", (1, 1))
    if "conv1.weight" not in shapes or "layer1.0.conv3.weight" not in shapes or grouped[0] == grouped[1]:
        return None
    width = shapes["conv1.weight"][0]
    blocks = count_blocks(shapes, _STAGES)
    if blocks not in _DEPTHS or width % 16 or tuple(grouped[:2]) != (2 * width, width // 16):
        raise UserError(
            "The weights are those of a ResNeXt, but not 50 or 101 layers deep with 32 groups of 4 channels. "
            f"Received: {blocks} blocks and a first 3×3 convolution of shape {tuple(grouped)}"
        )
    depth = _DEPTHS[blocks]
    arguments = {
        "depth": depth,
        "width": width,
        "ibn": "layer1.0.bn1.IN.weight" in shapes,
        "ibn_last_stage": "layer4.0.bn1.IN.weight" in shapes,
        "squeeze_excite": "layer1.0.se.fc.0.weight" in shapes,
        "non_local": any(name.startswith("NL_") for name in shapes),
    }
    return Architecture(
        backbone="ResNeXt",
        arguments=arguments,
        options={  # the original does not read WITH_SE here, so that it may say anything
            "MODEL.BACKBONE.NAME": "build_resnext_backbone",
            "MODEL.BACKBONE.DEPTH": f"{depth}x",
            "MODEL.BACKBONE.WITH_IBN": arguments["ibn"],
            "MODEL.BACKBONE.WITH_NL": arguments["non_local"],
        },
        open_arguments={"MODEL.BACKBONE.LAST_STRIDE": "last_stride"},
    )
