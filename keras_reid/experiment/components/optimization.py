"""Descriptions of the optimizers and learning-rate schedules.

They are written by hand, because they are not copies: the `ParameterRule`s of the optimizers are fields here, and the
schedules count epochs instead of steps.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from keras_reid.experiment.component import Component

__all__ = ["SGD", "Adam", "Constant", "Cosine", "MultiStep"]

_IN_RULES = (
    "l2_normalization",
    "l2_bias",
    "weight_decay_normalization",
    "weight_decay_bias",
    "head_learning_rate_factor",
    "bias_learning_rate_factor",
)


@dataclass(frozen=True)
class _Optimizer(Component):
    """What Adam and SGD share."""

    learning_rate: float = 1e-3
    """after warm-up, before the schedule lowers it"""
    l2: float = 5e-4
    """L2 added to the gradient, which is what the recipes call weight decay"""
    l2_normalization: float | None = None
    """that of the scales of normalisation layers; none is as `l2`"""
    l2_bias: float | None = None
    """that of biases, the offsets of normalisation layers among them; none is as `l2`"""
    weight_decay: float | None = None
    """decoupled weight decay, as in AdamW"""
    weight_decay_normalization: float | None = None
    """that of the scales of normalisation layers; none is as `weight_decay`"""
    weight_decay_bias: float | None = None
    """that of biases; none is as `weight_decay`"""
    head_learning_rate_factor: float = 1.0
    """factor on the learning rate of pooling and head"""
    bias_learning_rate_factor: float = 1.0
    """factor on the learning rate of biases"""
    clipnorm: float | None = None
    """largest norm of the gradient of each variable"""
    global_clipnorm: float | None = None
    """largest norm of the gradients of all variables together"""
    clipvalue: float | None = None
    """largest absolute value in a gradient"""
    gradient_accumulation_steps: int | None = None
    """batches whose gradients are averaged for one update; every count of steps is of updates"""
    use_ema: bool = False
    """keep a moving average of the weights, which they become at the end of training"""
    ema_momentum: float = 0.99
    """of the average, at each batch"""
    ema_overwrite_frequency: int | None = None
    """updates after which the weights become their average; none waits for the end"""

    @property
    def needs(self) -> list[str]:
        return [] if self.head_learning_rate_factor == 1 else ["head_pattern"]

    def build(self, head_pattern: str | None = None) -> Any:  # type: ignore[override]
        """The optimizer.

        Args:
            head_pattern: regular expression that the paths of the pooling's and head's variables match; needed where
                `head_learning_rate_factor` is not 1.
        """
        from keras_reid import training

        arguments = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in _IN_RULES:
            del arguments[name]
        return getattr(training, type(self).__name__)(**arguments, rules=self._rules(head_pattern))

    def _rules(self, head_pattern):
        from keras_reid.training import BIASES, NORMALIZATION, ParameterRule

        rules = (
            (NORMALIZATION, 1.0, self.l2_normalization, self.weight_decay_normalization),
            (BIASES, self.bias_learning_rate_factor, self.l2_bias, self.weight_decay_bias),
            (head_pattern, self.head_learning_rate_factor, None, None),
        )
        return [ParameterRule(*rule) for rule in rules if rule[1:] != (1.0, None, None)]


@dataclass(frozen=True)
class Adam(_Optimizer):
    """`keras_reid.training.Adam`; with `l2` 0 and a `weight_decay` it is AdamW."""

    builds: ClassVar[str] = "keras_reid.training.Adam"
    learning_rate: float = 3.5e-4


@dataclass(frozen=True)
class SGD(_Optimizer):
    """`keras_reid.training.SGD`."""

    builds: ClassVar[str] = "keras_reid.training.SGD"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False


@dataclass(frozen=True)
class _Schedule(Component):
    warmup_steps: int = 0
    """optimizer steps over which the learning rate rises to its value"""
    warmup_factor: float = 0.1
    """fraction of the learning rate at the first step"""
    warmup_kind: Literal["linear", "exponential", "constant"] = "linear"
    """how it rises"""

    def warmup_epochs(self, steps_per_epoch: float) -> int:
        """Epochs that the warm-up touches."""
        return math.ceil(self.warmup_steps / steps_per_epoch)


@dataclass(frozen=True)
class Constant(_Schedule):
    """The learning rate stays as it is after the warm-up."""

    def build(self, learning_rate: float, steps_per_epoch: float, epochs: int) -> float:  # type: ignore[override]
        return learning_rate


@dataclass(frozen=True)
class MultiStep(_Schedule):
    """The learning rate is multiplied by gamma at the end of each milestone epoch."""

    milestones: tuple[int, ...] = (40, 90)
    """epochs"""
    gamma: float = 0.1
    """factor at each"""
    counting: Literal["epochs", "original"] = "epochs"
    """what milestones count: epochs; original, as in FastReID, only those that end after the warm-up and the delay, so
    that 40 is epoch 49 where the warm-up ends in the tenth"""
    delay_epochs: int = 0
    """first epochs that the original's counting leaves out; by epochs, the milestones themselves say where they are"""

    def marks(self, steps_per_epoch: float, epochs: int) -> dict[int, str]:
        """`{epoch: what happens at its start}`, epochs from 0."""
        not_counted = 0
        if self.counting == "original":
            # The first that counts ends after the warm-up, and comes after the delay.
            not_counted = max(self.warmup_epochs(steps_per_epoch), self.delay_epochs + 1) - 1
        return {milestone + not_counted: "milestone" for milestone in sorted(self.milestones)}

    def build(self, learning_rate: float, steps_per_epoch: float, epochs: int) -> Any:  # type: ignore[override]
        if self.delay_epochs < 0 or (self.delay_epochs and self.counting != "original"):
            raise ValueError(
                "delay_epochs of MultiStep must be 0 or more, and 0 unless counting is 'original': by epochs, "
                f"milestones are where they say. Received: delay_epochs={self.delay_epochs}, counting={self.counting!r}"
            )
        import keras

        # Keras holds a value up to and including its boundary.
        boundaries = [round(epoch * steps_per_epoch) - 1 for epoch in self.marks(steps_per_epoch, epochs)]
        if not boundaries:
            return learning_rate
        values = [learning_rate * self.gamma**k for k in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)


@dataclass(frozen=True)
class Cosine(_Schedule):
    """`keras_reid.training.CosineAfterDelay` over the whole training."""

    delay_epochs: int = 0
    """epochs at the full learning rate"""
    floor: float = 0.0
    """learning rate at the end"""
    counting: Literal["epochs", "original"] = "epochs"
    """epochs: from the end of the delay to the end of training, changing at every step; original, as in FastReID:
    changing once an epoch, and the warm-up's epochs belong to the delay"""

    def marks(self, steps_per_epoch: float, epochs: int) -> dict[int, str]:
        """`{epoch: what happens at its start}`, epochs from 0."""
        return {self._span(steps_per_epoch, epochs)[0]: "cosine begins"}

    def build(self, learning_rate: float, steps_per_epoch: float, epochs: int) -> Any:  # type: ignore[override]
        from keras_reid.training import CosineAfterDelay

        first, last = self._span(steps_per_epoch, epochs)
        if not 0 <= first < last:
            raise ValueError(
                "the delay and the warm-up must end before the training does. "
                f"Received: delay_epochs={self.delay_epochs}, warmup_steps={self.warmup_steps}, "
                f"{epochs} epochs of {steps_per_epoch:g} steps"
            )
        return CosineAfterDelay(
            learning_rate,
            delay_steps=first * steps_per_epoch,
            total_steps=last * steps_per_epoch,
            floor=self.floor,
            interval=steps_per_epoch if self.counting == "original" else 1,
        )

    def _span(self, steps_per_epoch, epochs):
        """The epochs at whose start the rate begins to fall and reaches the floor."""
        if self.counting == "epochs":
            return self.delay_epochs, epochs
        # After the first epoch that ends after the warm-up and beyond the delay comes the first step of a cosine that
        # has as many as the epochs left.
        warmup = self.warmup_epochs(steps_per_epoch)
        first = max(warmup, self.delay_epochs + 1) - 1
        return first, first + epochs - max(warmup, self.delay_epochs)
