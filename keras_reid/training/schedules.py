"""Learning-rate schedules, per optimizer step."""

import math

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

WARMUP_KINDS = ("linear", "exponential", "constant")


@keras.saving.register_keras_serializable(package="keras_reid")
class WarmUp(LearningRateSchedule):
    """Multiplies a learning rate by a factor that rises to 1 in the first steps.

    With i the 0-based step, W the steps and f the first factor: linear f·(1 − i/W) + i/W, exponential f^(1 − i/W),
    constant f; 1 from step W on. The schedule inside runs meanwhile: it is not shifted by the warm-up.

    Args:
        learning_rate: a number, or a `LearningRateSchedule`.
        steps: steps of the warm-up, 0 or more.
        factor: the first factor, in (0, 1]. Defaults to 0.1.
        kind: `"linear"`, `"exponential"` or `"constant"`.

    Example:
        >>> schedule = WarmUp(3.5e-4, steps=2000, factor=0.1)
        >>> float(schedule(0)), float(schedule(2000))
        (3.5e-05, 0.00035)
    """

    def __init__(self, learning_rate, steps, factor=0.1, kind="linear"):
        super().__init__()
        if steps < 0 or int(steps) != steps:
            raise ValueError(f"warmup_steps must be a whole number of steps, 0 or more. Received: {steps!r}")
        if not 0 < factor <= 1:
            raise ValueError(f"warmup_factor must be in (0, 1]. Received: {factor!r}")
        if kind not in WARMUP_KINDS:
            raise ValueError(f"warmup_kind must be one of {', '.join(WARMUP_KINDS)}. Received: {kind!r}")
        self.learning_rate, self.steps, self.factor, self.kind = (
            learning_rate,
            int(steps),
            float(factor),
            kind,
        )

    @classmethod
    def apply(cls, optimizer, steps, factor=0.1, kind="linear"):
        """The optimizer with a warm-up on its learning rate.

        Never twice: an optimizer that already has one (loaded from a file, or compiled before) gets this one instead.
        With `steps=0` and no former warm-up, the optimizer itself is returned.
        """
        inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
        rate = inner._learning_rate
        warmed = isinstance(rate, cls)
        if warmed:
            rate = rate.learning_rate
        if not steps and not warmed:
            return optimizer
        if steps:
            rate = cls(float(rate) if isinstance(rate, keras.Variable) else rate, steps, factor, kind)
        config = inner.get_config()
        if isinstance(rate, LearningRateSchedule):
            config["learning_rate"] = keras.optimizers.schedules.serialize(rate)
        else:
            config["learning_rate"] = rate
        return type(inner).from_config(config)

    def __call__(self, step):
        step = ops.cast(step, "float32")
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

    def get_config(self):
        rate = self.learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = keras.optimizers.schedules.serialize(rate)
        return {"learning_rate": rate, "steps": self.steps, "factor": self.factor, "kind": self.kind}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config["learning_rate"], dict):
            config["learning_rate"] = keras.optimizers.schedules.deserialize(config["learning_rate"])
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_reid")
class CosineAfterDelay(LearningRateSchedule):
    """Constant, then half a cosine down to a floor, then constant at the floor.

    lr(i) = floor + (lr − floor)·(1 + cos(π·t))/2 with t = (i − delay)/(total − delay) cut to [0, 1].

    Args:
        learning_rate: the initial rate.
        delay_steps: steps at the initial rate.
        total_steps: the step at which the floor is reached.
        floor: the last rate. Defaults to 0.

    Example:
        >>> schedule = CosineAfterDelay(1.0, delay_steps=10, total_steps=30)
        >>> [round(float(schedule(step)), 2) for step in (0, 10, 20, 30)]
        [1.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, learning_rate, delay_steps, total_steps, floor=0.0):
        super().__init__()
        if not 0 <= delay_steps < total_steps:
            raise ValueError(
                "delay_steps must be 0 or more and less than total_steps. "
                f"Received: delay_steps={delay_steps}, total_steps={total_steps}"
            )
        if not 0 <= floor <= learning_rate:
            raise ValueError(f"floor must be between 0 and learning_rate={learning_rate}. Received: {floor}")
        self.learning_rate, self.floor = float(learning_rate), float(floor)
        self.delay_steps, self.total_steps = int(delay_steps), int(total_steps)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        progress = (step - self.delay_steps) / (self.total_steps - self.delay_steps)
        wave = (1.0 + ops.cos(math.pi * ops.clip(progress, 0.0, 1.0))) / 2.0
        return self.floor + (self.learning_rate - self.floor) * wave

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "delay_steps": self.delay_steps,
            "total_steps": self.total_steps,
            "floor": self.floor,
        }
