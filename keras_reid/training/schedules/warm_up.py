"""Warm-up of a learning rate."""

from typing import Any, Literal, Self

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_reid.utils.hints import Tensor
from keras_reid.utils.keras_internals import batch_counter, learning_rate_source

WARMUP_KINDS = ("linear", "exponential", "constant")


@keras.saving.register_keras_serializable(package="keras_reid")
class WarmUp(LearningRateSchedule):
    """Multiplies a learning rate by a factor that rises to 1 in the first steps.

    With i the 0-based step, W the steps and f the first factor: linear f·(1 − i/W) + i/W, exponential f^(1 − i/W),
    constant f; 1 from step W on. The schedule inside runs meanwhile: it is not shifted by the warm-up.

    Under gradient accumulation Keras counts batches, and hands their number to a schedule. Here a step is an update of
    the weights, for the warm-up and for the schedule inside: with `batches_per_update=k` both see ⌊batch/k⌋, so that
    accumulating k batches is the same as a batch k times as large.

    Keras lets nobody set the learning rate of an optimizer with a schedule: in `keras.optimizers.Adam(WarmUp(...))`
    `keras.callbacks.ReduceLROnPlateau` and `LearningRateScheduler` end in a TypeError when they try. A number that
    `WarmUp.apply` or `ReIDModel.compile(warmup_steps=...)` warms up can be set: by these callbacks at any time in
    `ReIDModel.fit`, and elsewhere through `beside_warm_up`; they read and set the rate that the warm-up rises to. By
    hand it can be set when the warm-up is over. What was set is saved with the model and in checkpoints. With a
    schedule inside the warm-up both callbacks are refused at the start of `ReIDModel.fit`.

    Args:
        learning_rate: a number, or a `LearningRateSchedule`.
        steps: steps of the warm-up, 0 or more.
        factor: the first factor, in (0, 1]. Defaults to 0.1.
        kind: `"linear"`, `"exponential"` or `"constant"`.
        batches_per_update: the optimizer's `gradient_accumulation_steps`, 1 without. Defaults to 1.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> schedule = WarmUp(3.5e-4, steps=2000, factor=0.1)
        >>> float(schedule(0)), float(schedule(2000))
        (3.5e-05, 0.00035)

    Source: Goyal et al., Accurate, large minibatch SGD, 2017.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        steps: int,
        factor: float = 0.1,
        kind: Literal["linear", "exponential", "constant"] = "linear",
        batches_per_update: int = 1,
    ) -> None:
        super().__init__()
        if steps < 0 or int(steps) != steps:
            raise ValueError(f"warmup_steps must be a whole number of steps, 0 or more. Received: {steps!r}")
        if not 0 < factor <= 1:
            raise ValueError(f"warmup_factor must be in (0, 1]. Received: {factor!r}")
        if kind not in WARMUP_KINDS:
            raise ValueError(f"warmup_kind must be one of {', '.join(WARMUP_KINDS)}. Received: {kind!r}")
        if batches_per_update < 1 or int(batches_per_update) != batches_per_update:
            raise ValueError(
                f"batches_per_update must be a whole number, 1 or more. Received: {batches_per_update!r}"
            )
        self.learning_rate, self.steps, self.factor, self.kind = (
            learning_rate,
            int(steps),
            float(factor),
            kind,
        )
        self.batches_per_update = int(batches_per_update)

    @classmethod
    def apply(
        cls,
        optimizer: keras.Optimizer,
        steps: int,
        factor: float = 0.1,
        kind: Literal["linear", "exponential", "constant"] = "linear",
    ) -> keras.Optimizer:
        """Puts a warm-up on an optimizer's learning rate, and returns the optimizer.

        Never twice: one that already has a warm-up (loaded from a file, or compiled before) gets this one instead.
        With `steps=0` and no former warm-up, the optimizer stays as it is, unless it accumulates gradients under a
        schedule.
        """
        inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
        rate = learning_rate_source(inner)
        if isinstance(rate, SettableRate):
            rate = rate.schedule
        warmed = isinstance(rate, cls)
        if warmed:
            rate = rate.learning_rate
        batches_per_update = inner.gradient_accumulation_steps or 1
        in_batches = batches_per_update > 1 and isinstance(rate, LearningRateSchedule)
        if steps or warmed or in_batches:
            rate = float(rate.numpy()) if isinstance(rate, keras.Variable) else rate
            # In place: a copy from the config would lose what `exclude_from_weight_decay` said.
            warm_up = cls(rate, steps, factor, kind, batches_per_update)
            optimizer.learning_rate = warm_up if callable(rate) else SettableRate(warm_up, inner)
        return optimizer

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(ops.floor_divide(step, self.batches_per_update), "float32")
        rate = self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate
        if not self.steps:
            return rate
        progress = ops.minimum(step / self.steps, 1.0)
        if self.kind == "linear":
            factor = self.factor * (1.0 - progress) + progress
        elif self.kind == "exponential":
            factor = ops.power(self.factor, 1.0 - progress)
        else:
            factor = ops.where(progress < 1.0, self.factor, 1.0)
        return rate * factor

    def get_config(self) -> dict[str, Any]:
        rate = self.learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = keras.optimizers.schedules.serialize(rate)
        elif isinstance(rate, keras.Variable):
            rate = float(rate.numpy())
        return {
            "learning_rate": rate,
            "steps": self.steps,
            "factor": self.factor,
            "kind": self.kind,
            "batches_per_update": self.batches_per_update,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        if isinstance(config["learning_rate"], dict):
            config["learning_rate"] = keras.optimizers.schedules.deserialize(config["learning_rate"])
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_reid")
class SettableRate:
    """What `WarmUp.apply` makes an optimizer's learning rate, if that was a number.

    Keras lets nobody set the rate of an optimizer that has a schedule. To Keras this is not a schedule: it is called
    without a step, and has what Keras needs to set it. Saved with an optimizer, it is a `WarmUp` of the rate as it is
    then.

    Args:
        schedule: a `WarmUp` of a number.
        optimizer: whose updates it counts.
    """

    def __init__(self, schedule: WarmUp, optimizer: keras.Optimizer) -> None:
        self.schedule, self.optimizer = schedule, optimizer
        # Not tracked by the optimizer, whose variables stay those of the files that are there.
        schedule.learning_rate = self._rate = keras.Variable(
            schedule.learning_rate,
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
            name="learning_rate",
        )
        self.without_factor = False

    @property
    def state_variables(self) -> list[keras.Variable]:
        """What a checkpoint needs."""
        return [self._rate]

    def __call__(self) -> Tensor:
        return self._rate if self.without_factor else self.schedule(batch_counter(self.optimizer))

    def assign(self, value: float | Tensor) -> None:
        """Called by Keras where somebody sets `optimizer.learning_rate`."""
        updates = int(self.optimizer.iterations.numpy())
        if updates < self.schedule.steps and not self.without_factor:
            raise ValueError(
                f"the learning rate can be set when the warm-up is over, after {self.schedule.steps} updates: before, "
                "it is not clear whether a value has the warm-up's factor in it. ReduceLROnPlateau and "
                "LearningRateScheduler may set it at any time in ReIDModel.fit, and in plain Keras as "
                "training.beside_warm_up(optimizer, [callbacks]). "
                f"Received: learning_rate={float(value)} after {updates} updates"
            )
        self._rate.assign(value)

    def get_config(self) -> dict[str, Any]:
        return self.schedule.get_config()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        return WarmUp.from_config(config)
