"""Descriptions of the optimizers and learning-rate schedules."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from keras_reid.experiment.component import Component


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
