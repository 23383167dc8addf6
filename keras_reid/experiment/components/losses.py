"""Descriptions of the losses."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from keras_reid.experiment.component import Component, build


@dataclass(frozen=True)
class CrossEntropy(Component):
    """`keras_reid.losses.CrossEntropy`."""

    builds: ClassVar[str] = "keras_reid.losses.CrossEntropy"
    label_smoothing: float | Literal["adaptive"] = 0.1
    """mass moved from the true class to the others; adaptive: more for surer samples"""
    alpha: float = 0.2
    """factor of the adaptive mass"""


@dataclass(frozen=True)
class TripletLoss(Component):
    """`keras_reid.losses.TripletLoss`."""

    builds: ClassVar[str] = "keras_reid.losses.TripletLoss"
    margin: float = 0.3
    """distance by which negatives must be further; 0 is the soft margin"""
    mining: Literal["hard", "weighted"] = "hard"
    """the hardest positive and negative, or all of them weighted"""
    normalize: bool = False
    """whether features are normalised first"""


@dataclass(frozen=True)
class CircleLoss(Component):
    """`keras_reid.losses.CircleLoss`."""

    builds: ClassVar[str] = "keras_reid.losses.CircleLoss"
    margin: float = 0.25
    scale: float = 128.0


@dataclass(frozen=True)
class ClusterMemoryLoss(Component):
    """`keras_reid.losses.ClusterMemoryLoss`, for an `Adaptation`."""

    builds: ClassVar[str] = "keras_reid.losses.ClusterMemoryLoss"
    temperature: float = 0.05
    """divides the similarities to the clusters"""
    momentum: float = 0.1
    """how much of a cluster's feature stays in a step, the rest being the batch's mean"""


@dataclass(frozen=True)
class CosFaceLoss(Component):
    """`keras_reid.losses.CosFaceLoss`."""

    builds: ClassVar[str] = "keras_reid.losses.CosFaceLoss"
    margin: float = 0.25
    scale: float = 128.0


@dataclass(frozen=True)
class FocalLoss(Component):
    """`keras_reid.losses.FocalLoss`."""

    builds: ClassVar[str] = "keras_reid.losses.FocalLoss"
    alpha: float = 0.25
    """factor on the loss"""
    gamma: float = 2.0
    """how little well-classified samples count"""


@dataclass(frozen=True)
class LogitDistillationLoss(Component):
    """`keras_reid.losses.LogitDistillationLoss`, for `Distillation.logit_loss`."""

    builds: ClassVar[str] = "keras_reid.losses.LogitDistillationLoss"
    kind: Literal["l1", "js", "kl"] = "js"
    """sum of the differences, or a divergence of the softmax: symmetric, or of the teacher's to the student's"""
    temperature: float = 16.0
    """divides the scores of a divergence; higher counts the order of the wrong classes more"""


@dataclass(frozen=True)
class MemoryLoss(Component):
    """`keras_reid.losses.MemoryLoss`."""

    builds: ClassVar[str] = "keras_reid.losses.MemoryLoss"
    loss: Any = CosFaceLoss(margin=0.25, scale=32.0)
    """CosFaceLoss() or CircleLoss(), between the batch and the memory"""
    size: int = 8192
    """features of past batches in the memory"""

    def build(self, dim):
        return replace(self, loss=build(self.loss))._construct(dim=dim)
