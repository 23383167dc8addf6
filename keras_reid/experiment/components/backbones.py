"""Descriptions of the backbones."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from keras_reid.experiment.component import Component


@dataclass(frozen=True)
class Backbone(Component):
    """A backbone, and in `smallest` which arguments make the smallest one of its family."""

    smallest: ClassVar[dict] = {}


@dataclass(frozen=True)
class ResNet(Backbone):
    """`keras_reid.backbones.ResNet`."""

    builds: ClassVar[str] = "keras_reid.backbones.ResNet"
    smallest: ClassVar[dict] = {"depth": 18}
    depth: Literal[18, 34, 50, 101, 152] = 50
    """layers; 18 and 34 have basic blocks, the others bottlenecks"""
    last_stride: Literal[1, 2] = 1
    """stride of the last stage; 1 keeps the feature map twice as large"""
    ibn: bool = False
    """instance-batch normalisation (IBN-a) in the first three stages"""
    non_local: bool = False
    """non-local blocks in the second and third stage"""
    squeeze_excite: bool = False
    """channel attention in every block"""
    width: int = 64
    """channels of the stem; 64 is the paper's"""
    pretrained: str | None = None
    """None, "imagenet", or the path of a weights file"""


@dataclass(frozen=True)
class ResNeXt(Backbone):
    """`keras_reid.backbones.ResNeXt`."""

    builds: ClassVar[str] = "keras_reid.backbones.ResNeXt"
    smallest: ClassVar[dict] = {"depth": 50}
    depth: Literal[50, 101] = 50
    """layers"""
    last_stride: Literal[1, 2] = 1
    """stride of the last stage; 1 keeps the feature map twice as large"""
    ibn: bool = False
    """instance-batch normalisation (IBN-a) in the first three stages"""
    non_local: bool = False
    """non-local blocks in the second and third stage"""
    squeeze_excite: bool = False
    """channel attention in every block"""
    width: int = 64
    """channels of the stem; 64 is the paper's"""
    pretrained: str | None = None
    """None, "imagenet", or the path of a weights file"""


@dataclass(frozen=True)
class ResNeSt(Backbone):
    """`keras_reid.backbones.ResNeSt`."""

    builds: ClassVar[str] = "keras_reid.backbones.ResNeSt"
    smallest: ClassVar[dict] = {"depth": 50}
    depth: Literal[50, 101, 200, 269] = 50
    """layers"""
    last_stride: Literal[1, 2] = 1
    """stride of the last stage; 1 keeps the feature map twice as large"""
    non_local: bool = False
    """non-local blocks in the second and third stage"""
    width: int = 64
    """channels of the stem; 64 is the paper's"""
    pretrained: str | None = None
    """None, "imagenet", or the path of a weights file"""


@dataclass(frozen=True)
class OSNet(Backbone):
    """`keras_reid.backbones.OSNet`."""

    builds: ClassVar[str] = "keras_reid.backbones.OSNet"
    smallest: ClassVar[dict] = {"width": 0.25}
    width: Literal[0.25, 0.5, 0.75, 1.0] = 1.0
    """times the paper's channels"""
    ibn: bool = False
    """instance normalisation in the stem and the first stage"""
    pretrained: str | None = None
    """None, "imagenet", or the path of a weights file"""


@dataclass(frozen=True)
class MobileNetV2(Backbone):
    """`keras_reid.backbones.MobileNetV2`."""

    builds: ClassVar[str] = "keras_reid.backbones.MobileNetV2"
    smallest: ClassVar[dict] = {"width": 0.1}
    width: Literal[0.1, 0.25, 0.35, 0.5, 0.75, 1.0] = 1.0
    """times the paper's channels"""
    pretrained: str | None = None
    """None, "imagenet", or the path of a weights file"""


@dataclass(frozen=True)
class RepVGG(Backbone):
    """`keras_reid.backbones.RepVGG`."""

    builds: ClassVar[str] = "keras_reid.backbones.RepVGG"
    smallest: ClassVar[dict] = {"variant": "A0"}
    variant: Literal[
        "A0", "A1", "A2", "B0", "B1", "B1g2", "B1g4", "B2", "B2g2", "B2g4", "B3", "B3g2", "B3g4"
    ] = "A0"
    """size; with g2 or g4 every second block has 2 or 4 groups"""
    last_stride: Literal[1, 2] = 1
    """stride of the last stage; 1 keeps the feature map twice as large"""
    width: int = 64
    """unit of the channels; 64 is the paper's"""
    pretrained: str | None = None
    """None, or the path of a weights file"""


@dataclass(frozen=True)
class ViT(Backbone):
    """`keras_reid.backbones.ViT`."""

    builds: ClassVar[str] = "keras_reid.backbones.ViT"
    smallest: ClassVar[dict] = {"depth": "small", "width": 96}
    depth: Literal["base", "small"] = "base"
    """12 blocks or 8"""
    stride: tuple[int, int] = (16, 16)
    """pixels from one patch of 16 × 16 to the next, down and across; less than 16 lets them overlap"""
    drop_path: float = 0.1
    """share of residual branches left out in the last block; the earlier ones less"""
    dropout: float = 0.0
    attention_dropout: float = 0.0
    num_cameras: int = 0
    """cameras of the training set, each with an embedding of its own; 0 is none"""
    camera_scale: float = 3.0
    """factor on that embedding"""
    width: int = 768
    """channels; 768 is the paper's"""
    pretrained: str | None = None
    """None, or the path of a weights file"""

    def build(self, image_size):
        return self._construct(input_shape=(*image_size, 3))


@dataclass(frozen=True)
class MultiGranularityResNet(Backbone):
    """`keras_reid.backbones.MultiGranularityResNet`, for `MultiGranularityHeads`."""

    builds: ClassVar[str] = "keras_reid.backbones.MultiGranularityResNet"
    smallest: ClassVar[dict] = {"depth": 50, "width": 16}
    depth: Literal[50, 101, 152] = 50
    """layers"""
    last_stride: Literal[1, 2] = 1
    """stride of the last stage of the first branch; 1 keeps the feature map twice as large"""
    ibn: bool = False
    """instance-batch normalisation (IBN-a) in the first three stages"""
    squeeze_excite: bool = False
    """channel attention in every block"""
    width: int = 64
    """channels of the stem; 64 is the paper's"""
    pretrained: str | None = None
    """None, "imagenet", or the path of a weights file"""
