"""Descriptions of the heads and their classification layers."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from keras_reid.experiment.component import Component, build
from keras_reid.experiment.components.pooling import GeM


@dataclass(frozen=True)
class LinearClassifier(Component):
    """`keras_reid.layers.LinearClassifier`."""

    builds: ClassVar[str] = "keras_reid.layers.LinearClassifier"
    scale: float = 1.0
    """factor on the logits"""


@dataclass(frozen=True)
class _Margin(Component):
    scale: float = 64.0
    """factor on the cosine"""
    margin: float = 0.35
    """margin between the true class and the others"""


@dataclass(frozen=True)
class CosSoftmax(_Margin):
    """`keras_reid.layers.CosSoftmax`."""

    builds: ClassVar[str] = "keras_reid.layers.CosSoftmax"


@dataclass(frozen=True)
class ArcSoftmax(_Margin):
    """`keras_reid.layers.ArcSoftmax`."""

    builds: ClassVar[str] = "keras_reid.layers.ArcSoftmax"
    margin: float = 0.5
    """angle added to the true class's, radians"""


@dataclass(frozen=True)
class CircleSoftmax(_Margin):
    """`keras_reid.layers.CircleSoftmax`."""

    builds: ClassVar[str] = "keras_reid.layers.CircleSoftmax"


@dataclass(frozen=True)
class _Head(Component):
    classifier: Any = LinearClassifier()
    """turns embeddings into class logits"""
    metric_feature: Literal["before", "after"] = "before"
    """the feature of the metric losses: before or after the neck"""
    embedding_dim: int | None = None
    """channels of the embedding; none keeps the backbone's"""

    def build(self, num_classes):
        return self._construct_with_classifier(num_classes)

    def _construct_with_classifier(self, num_classes):
        classifier = build(self.classifier, num_classes=num_classes)
        return replace(self, classifier=classifier)._construct(num_classes=num_classes)


@dataclass(frozen=True)
class BNNeckHead(_Head):
    """`keras_reid.heads.BNNeckHead`."""

    builds: ClassVar[str] = "keras_reid.heads.BNNeckHead"


@dataclass(frozen=True)
class LinearHead(_Head):
    """`keras_reid.heads.LinearHead`."""

    builds: ClassVar[str] = "keras_reid.heads.LinearHead"


@dataclass(frozen=True)
class ReductionHead(_Head):
    """`keras_reid.heads.ReductionHead`."""

    builds: ClassVar[str] = "keras_reid.heads.ReductionHead"
    embedding_dim: int | None = 512
    """channels of the reduced feature"""
    dropout: float = 0.5
    """share of the hidden layer left out in training"""


@dataclass(frozen=True)
class MultiGranularityHeads(_Head):
    """`keras_reid.heads.MultiGranularityHeads`."""

    builds: ClassVar[str] = "keras_reid.heads.MultiGranularityHeads"
    embedding_dim: int = 256
    """channels of each of the eight embeddings"""
    pooling: Any = GeM()
    """of each head"""

    def build(self, num_classes):
        return replace(self, pooling=build(self.pooling))._construct_with_classifier(num_classes)


@dataclass(frozen=True)
class PartialHead(_Head):
    """`keras_reid.heads.PartialHead`."""

    builds: ClassVar[str] = "keras_reid.heads.PartialHead"
    windows: tuple[tuple[int, int], ...] = ((2, 2), (4, 2), (6, 2), (8, 2))
    """side and stride of square windows, in positions of the feature map, the smallest first"""
    window_pooling: Literal["max", "average"] = "max"
    """what a window is of its positions"""
