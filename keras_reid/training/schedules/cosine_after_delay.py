"""Cosine after a delay."""

import math
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_reid.utils.hints import Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class CosineAfterDelay(LearningRateSchedule):
    """Constant, then half a cosine down to a floor, then constant at the floor.

    lr(i) = floor + (lr − floor)·(1 + cos(π·t))/2 with t = (i − delay)/(total − delay) cut to [0, 1].

    Args:
        learning_rate: the initial rate.
        delay_steps: steps at the initial rate.
        total_steps: the step at which the floor is reached.
        floor: the last rate. Defaults to 0.
        interval: steps between changes; i is rounded down to a multiple of it. Defaults to 1.

    Steps may be fractions, as an epoch has where gradient accumulation does not divide it.

    Raises:
        ValueError: if the delay is not less than the total, the floor is above the rate, or the interval below 1.

    Example:
        >>> schedule = CosineAfterDelay(1.0, delay_steps=10, total_steps=30)
        >>> [round(float(schedule(step)), 2) for step in (0, 10, 20, 30)]
        [1.0, 1.0, 0.5, 0.0]

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    def __init__(
        self,
        learning_rate: float,
        delay_steps: float,
        total_steps: float,
        floor: float = 0.0,
        interval: float = 1,
    ) -> None:
        super().__init__()
        if not 0 <= delay_steps < total_steps:
            raise ValueError(
                "delay_steps must be 0 or more and less than total_steps. "
                f"Received: delay_steps={delay_steps}, total_steps={total_steps}"
            )
        if not 0 <= floor <= learning_rate:
            raise ValueError(f"floor must be between 0 and learning_rate={learning_rate}. Received: {floor}")
        if not interval >= 1:
            raise ValueError(f"interval must be 1 step or more. Received: {interval}")
        self.learning_rate, self.floor = float(learning_rate), float(floor)
        self.delay_steps, self.total_steps, self.interval = delay_steps, total_steps, interval

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32")
        if self.interval != 1:
            step = ops.floor(step / self.interval) * self.interval
        left = ops.clip((self.total_steps - step) / (self.total_steps - self.delay_steps), 0.0, 1.0)
        # (1 + cos(π(1 − left)))/2, without its cancellation near the floor.
        wave = ops.square(ops.sin(math.pi / 2 * left))
        return self.floor + (self.learning_rate - self.floor) * wave

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "delay_steps": self.delay_steps,
            "total_steps": self.total_steps,
            "floor": self.floor,
            "interval": self.interval,
        }
