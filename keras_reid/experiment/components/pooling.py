"""Descriptions of the poolings."""

from dataclasses import dataclass
from typing import ClassVar

from keras_reid.experiment.component import Component


@dataclass(frozen=True)
class GeM(Component):
    """`keras_reid.layers.GeMPooling2D`."""

    builds: ClassVar[str] = "keras_reid.layers.GeMPooling2D"
    p: float = 3.0
    """exponent; 1 is the average, infinity the maximum"""
    learnable: bool = True
    """whether p is trained"""
    epsilon: float = 1e-6
    """smallest activation; anything below is raised to it"""


@dataclass(frozen=True)
class AveragePooling(Component):
    """`keras.layers.GlobalAveragePooling2D`."""

    builds: ClassVar[str] = "keras.layers.GlobalAveragePooling2D"


@dataclass(frozen=True)
class MaxPooling(Component):
    """`keras.layers.GlobalMaxPooling2D`."""

    builds: ClassVar[str] = "keras.layers.GlobalMaxPooling2D"


@dataclass(frozen=True)
class AverageMaxPooling(Component):
    """`keras_reid.layers.AverageMaxPooling2D`."""

    builds: ClassVar[str] = "keras_reid.layers.AverageMaxPooling2D"


@dataclass(frozen=True)
class AttentionPooling(Component):
    """`keras_reid.layers.AttentionPooling2D`."""

    builds: ClassVar[str] = "keras_reid.layers.AttentionPooling2D"
    channel_wise: bool = False
    """every channel learns weights of its own"""


@dataclass(frozen=True)
class ClippedAveragePooling(Component):
    """`keras_reid.layers.ClippedAveragePooling2D`."""

    builds: ClassVar[str] = "keras_reid.layers.ClippedAveragePooling2D"


@dataclass(frozen=True)
class IdentityPooling(Component):
    """`keras_reid.layers.IdentityPooling2D`, for backbones that give one vector, as `ViT`."""

    builds: ClassVar[str] = "keras_reid.layers.IdentityPooling2D"


@dataclass(frozen=True)
class NoPooling(Component):
    """Nothing: for heads that pool feature maps themselves, as `MultiGranularityHeads` and `PartialHead`."""

    builds: ClassVar[str] = "keras.layers.Identity"
