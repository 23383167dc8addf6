"""Descriptions of what this package has. Each is named as, and takes the arguments of, what it describes."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from keras_reid.experiment.component import Component, build


@dataclass(frozen=True)
class ResNet(Component):
    """`keras_reid.backbones.ResNet`."""

    builds: ClassVar[str] = "keras_reid.backbones.ResNet"
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


@dataclass(frozen=True)
class GeM(Component):
    """`keras_reid.layers.GeMPooling2D`."""

    builds: ClassVar[str] = "keras_reid.layers.GeMPooling2D"
    p: float = 3.0
    """exponent; 1 is the average, infinity the maximum"""
    learnable: bool = True
    """whether p is trained"""


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


@dataclass(frozen=True)
class LinearClassifier(Component):
    """`keras_reid.layers.LinearClassifier`."""

    builds: ClassVar[str] = "keras_reid.layers.LinearClassifier"


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


@dataclass(frozen=True)
class CrossEntropy(Component):
    """`keras_reid.losses.CrossEntropy`."""

    builds: ClassVar[str] = "keras_reid.losses.CrossEntropy"
    label_smoothing: float | Literal["adaptive"] = 0.1
    """mass moved from the true class to the others"""


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
class CosFaceLoss(Component):
    """`keras_reid.losses.CosFaceLoss`."""

    builds: ClassVar[str] = "keras_reid.losses.CosFaceLoss"
    margin: float = 0.25
    scale: float = 128.0


@dataclass(frozen=True)
class Adam(Component):
    """`keras_reid.training.Adam`."""

    builds: ClassVar[str] = "keras_reid.training.Adam"
    learning_rate: float = 3.5e-4
    """after warm-up, before the schedule lowers it"""
    l2: float = 5e-4
    """L2 added to the gradient, which is what the recipes call weight decay"""
    weight_decay: float | None = None
    """decoupled weight decay, as in AdamW"""


@dataclass(frozen=True)
class SGD(Component):
    """`keras_reid.training.SGD`."""

    builds: ClassVar[str] = "keras_reid.training.SGD"
    learning_rate: float = 0.01
    """after warm-up, before the schedule lowers it"""
    momentum: float = 0.9
    nesterov: bool = False
    l2: float = 5e-4
    """L2 added to the gradient, which is what the recipes call weight decay"""


@dataclass(frozen=True)
class _Schedule(Component):
    warmup_steps: int = 0
    """optimizer steps over which the learning rate rises to its value"""
    warmup_factor: float = 0.1
    """fraction of the learning rate at the first step"""
    warmup_kind: Literal["linear", "exponential", "constant"] = "linear"
    """how it rises"""


@dataclass(frozen=True)
class Constant(_Schedule):
    """The learning rate stays as it is after the warm-up."""

    def build(self, learning_rate, steps_per_epoch, epochs):
        return learning_rate


@dataclass(frozen=True)
class MultiStep(_Schedule):
    """The learning rate is multiplied by gamma at the end of each milestone epoch."""

    milestones: tuple[int, ...] = (40, 90)
    """epochs"""
    gamma: float = 0.1
    """factor at each"""

    def build(self, learning_rate, steps_per_epoch, epochs):
        import keras

        # Keras holds a value up to and including its boundary.
        boundaries = [milestone * steps_per_epoch - 1 for milestone in self.milestones]
        values = [learning_rate * self.gamma**k for k in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)


@dataclass(frozen=True)
class Cosine(_Schedule):
    """`keras_reid.training.CosineAfterDelay` over the whole training."""

    delay_epochs: int = 0
    """epochs at the full learning rate"""
    floor: float = 0.0
    """learning rate at the end"""

    def build(self, learning_rate, steps_per_epoch, epochs):
        from keras_reid.training import CosineAfterDelay

        return CosineAfterDelay(
            learning_rate,
            delay_steps=self.delay_epochs * steps_per_epoch,
            total_steps=epochs * steps_per_epoch,
            floor=self.floor,
        )
