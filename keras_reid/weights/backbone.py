"""Networks without a head: torchvision's, IBN-Net's, timm's and torchreid's files as backbones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.checkpoints import load_pretrained, named, read_state_dict
from keras_reid.checkpoints.parts import backbone_part
from keras_reid.weights.architectures import recognize
from keras_reid.weights.fastreid_options import OPEN_OPTIONS

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.checkpoints.filling import Report


def build_backbone(
    file_or_state_dict: str | os.PathLike[str] | Mapping[str, Any],
    image_size: tuple[int, int] = (256, 128),
    last_stride: int = 1,
) -> Any:
    """A backbone with the weights of a network trained elsewhere, its head or classifier left out.

    The architecture follows from names and shapes. Understood are ResNet and ResNeXt of torchvision and IBN-Net,
    ResNeSt and ViT of timm and their authors, OSNet and OSNet-AIN of torchreid, MobileNetV2 of torchvision, RepVGG of
    its authors.

    Args:
        file_or_state_dict: A `.pth` file, or a mapping of names to numpy arrays.
        image_size: `(height, width)` in pixels, which only networks with position embeddings depend on.
        last_stride: Stride of the last stage, 1 or 2, of the networks that have the choice.

    Returns a `keras.Model` from `keras_reid.backbones`.

    Raises:
        UserError: if the file cannot be read, the network is not one of these, or any weight is left unfilled.

    Example:
        >>> backbone = keras_reid.weights.build_backbone("resnet50-19c8e357.pth")  # doctest: +SKIP
        >>> backbone.depth, backbone.ibn  # doctest: +SKIP
        (50, False)
    """
    return fill_backbone(read_state_dict(file_or_state_dict), image_size, last_stride)[0]


def fill_backbone(
    state: Mapping[str, np.ndarray], image_size: tuple[int, int] = (256, 128), last_stride: int = 1
) -> tuple[Any, Report, dict[str, Any]]:
    """As `build_backbone`, from a state dict that has been read, with what there is to say about it.

    Returns the backbone, a `Report` of the names, and `{argument: value}` of what the weights do not tell.
    """
    whole = {name: value for name, (_, value) in named(state).items()}
    state, _, beside = backbone_part(whole)
    architecture = recognize({name: value.shape for name, value in state.items()})
    options = {**OPEN_OPTIONS, "MODEL.BACKBONE.LAST_STRIDE": last_stride}
    backbone = architecture.build(options, image_size)
    assumed: dict[str, Any] = {}
    if "MODEL.BACKBONE.LAST_STRIDE" in architecture.open_arguments:
        assumed["last_stride"] = last_stride
    if architecture.fixed_image_size:
        assumed["image_size"] = tuple(image_size)
    report = load_pretrained(backbone, state)
    return backbone, dataclasses.replace(report, unused=(*report.unused, *beside)), assumed
