"""ViT's checkpoints: FastReID's, timm's and DeiT's have the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture, count_blocks

# (blocks, hidden units for each channel, bias of queries, keys and values): depth, channels of a head
_DEPTHS: dict[tuple[int, float, bool], tuple[str | None, int]] = {
    (12, 4, True): ("base", 64),
    (8, 3, False): ("small", 96),
}


def recognize_vit(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a vision transformer, or None."""
    patches, token = shapes.get("patch_embed.proj.weight"), shapes.get("cls_token")
    hidden = shapes.get("blocks.0.mlp.fc1.weight")
    if patches is None or token is None or hidden is None:
        return None
    width = token[-1]
    (blocks,) = count_blocks(shapes, ("blocks",))
    found = (blocks, hidden[0] / width, "blocks.0.attn.qkv.bias" in shapes)
    depth, head = _DEPTHS.get(found, (None, 1))
    stem = "patch_embed.conv.0.weight" in shapes
    if depth is None or width % head or tuple(patches[2:]) not in (((8, 8),) if stem else ((), (16, 16))):
        raise UserError(
            "The weights are those of a vision transformer, but neither of 12 blocks (base, DeiT) nor of 8 (small) "
            f"on patches of 16 × 16 pixels. Received: {blocks} blocks of {width} channels, hidden layers of "
            f"{hidden[0]}, patches {tuple(patches)}"
        )
    arguments: dict[str, Any] = {"depth": depth, "width": width}
    if stem:
        arguments["convolutional_stem"] = True
    open_arguments = {
        "MODEL.BACKBONE.STRIDE_SIZE": "stride",
        "MODEL.BACKBONE.DROP_PATH_RATIO": "drop_path",
        "MODEL.BACKBONE.DROP_RATIO": "dropout",
        "MODEL.BACKBONE.ATT_DROP_RATE": "attention_dropout",
    }
    if "sie_embed" in shapes:
        arguments["num_cameras"] = shapes["sie_embed"][0]
        open_arguments["MODEL.BACKBONE.SIE_COE"] = "camera_scale"
    return Architecture(
        backbone="ViT",
        arguments=arguments,
        options={"MODEL.BACKBONE.NAME": "build_vit_backbone", "MODEL.BACKBONE.DEPTH": depth},
        open_arguments=open_arguments,
        fixed_image_size=True,
    )
