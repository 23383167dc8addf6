"""ResNet's checkpoints: FastReID's, torchvision's and IBN-Net's have the same names."""

from __future__ import annotations

from collections.abc import Mapping

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture, count_blocks

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_DEPTHS: dict[tuple[bool, tuple[int, ...]], int] = {
    (False, (2, 2, 2, 2)): 18,
    (False, (3, 4, 6, 3)): 34,
    (True, (3, 4, 6, 3)): 50,
    (True, (3, 4, 23, 3)): 101,
    (True, (3, 8, 36, 3)): 152,
}


def recognize_resnet(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a ResNet, or None."""
    if "conv1.weight" not in shapes or "layer1.0.conv1.weight" not in shapes:
        return None
    convolution = shapes.get("layer1.0.conv2.weight", (0, 1))
    if convolution[0] != convolution[1]:  # split attention has another name, grouped ones are not square
        return None
    blocks = count_blocks(shapes, _STAGES)
    bottleneck = "layer1.0.conv3.weight" in shapes
    depth = _DEPTHS.get((bottleneck, blocks))
    if depth is None:
        raise UserError(
            "The weights are those of a ResNet, but not 18, 34, 50, 101 or 152 layers deep. Received: "
            f"{blocks} {'bottleneck' if bottleneck else 'basic'} blocks"
        )
    arguments = {
        "depth": depth,
        "width": shapes["conv1.weight"][0],
        "ibn": "layer1.0.bn1.IN.weight" in shapes,
        "squeeze_excite": "layer1.0.se.fc.0.weight" in shapes,
        "non_local": any(name.startswith("NL_") for name in shapes),
    }
    return Architecture(
        backbone="ResNet",
        arguments=arguments,
        options={
            "MODEL.BACKBONE.NAME": "build_resnet_backbone",
            "MODEL.BACKBONE.DEPTH": f"{depth}x",
            "MODEL.BACKBONE.WITH_IBN": arguments["ibn"],
            "MODEL.BACKBONE.WITH_SE": arguments["squeeze_excite"],
            "MODEL.BACKBONE.WITH_NL": arguments["non_local"],
        },
        open_arguments={"MODEL.BACKBONE.LAST_STRIDE": "last_stride"},
    )
