"""Keras' callbacks that set the learning rate, together with a warm-up."""

from collections.abc import Iterable

import keras
from keras.callbacks import LearningRateScheduler, ReduceLROnPlateau
from keras.optimizers.schedules import LearningRateSchedule

from keras_reid.training.schedules.warm_up import SettableRate
from keras_reid.utils.keras_internals import learning_rate_source

_SETTING = (LearningRateScheduler, ReduceLROnPlateau)


def beside_warm_up(
    optimizer: keras.Optimizer, callbacks: Iterable[keras.callbacks.Callback]
) -> list[keras.callbacks.Callback]:
    """Callbacks for `fit`, of which those of Keras that set the learning rate go with a warm-up.

    `ReduceLROnPlateau` and `LearningRateScheduler` then read and set the rate that the warm-up rises to; what the steps
    use is this rate times the warm-up's factor. Without a warm-up, and for all other callbacks, nothing changes.

    `ReIDModel.fit` and `Distiller.fit` do it themselves; in plain Keras call it with the optimizer that `WarmUp.apply`
    gave.

    Args:
        optimizer: of the compiled model.
        callbacks: a list of `keras.callbacks.Callback`.

    Raises:
        ValueError: if there is such a callback and the learning rate is a schedule, which nobody can set.

    Example:
        >>> optimizer = WarmUp.apply(keras.optimizers.Adam(3.5e-4), steps=2000)
        >>> callbacks = beside_warm_up(optimizer, [keras.callbacks.ReduceLROnPlateau("loss")])
        >>> [type(callback).__name__ for callback in callbacks][1]
        'ReduceLROnPlateau'
    """
    rate = learning_rate_source(getattr(optimizer, "inner_optimizer", optimizer))
    result = []
    for callback in callbacks:
        if isinstance(callback, _SETTING) and isinstance(rate, LearningRateSchedule):
            inside = getattr(rate, "learning_rate", rate)
            name = type(inside if isinstance(inside, LearningRateSchedule) else rate).__name__
            raise ValueError(
                f"{type(callback).__name__} sets the learning rate, which a schedule gives already. Use one of the "
                "two: a number as the optimizer's learning_rate (with compile(warmup_steps=) or WarmUp.apply for the "
                f"warm-up), or no such callback. Received: the schedule {name}"
            )
        if isinstance(callback, _SETTING) and isinstance(rate, SettableRate):
            before = _Before(rate)
            result += [before, callback, _After(before)]
        else:
            result.append(callback)
    return result


class _Before(keras.callbacks.Callback):
    """From here on the rate is read and set without the factor of the warm-up."""

    def __init__(self, rate):
        super().__init__()
        self.rate, self.logged = rate, {}

    def on_train_begin(self, logs=None):
        self.rate.without_factor = False

    def on_epoch_begin(self, epoch, logs=None):
        self.rate.without_factor = True

    def on_epoch_end(self, epoch, logs=None):
        self.rate.without_factor = True
        self.logged = {key: value for key, value in (logs or {}).items() if key == "learning_rate"}


class _After(keras.callbacks.Callback):
    """From here on it has the factor again, and the logs have what the steps used."""

    def __init__(self, before):
        super().__init__()
        self.before = before

    def on_epoch_begin(self, epoch, logs=None):
        self.before.rate.without_factor = False

    def on_epoch_end(self, epoch, logs=None):
        self.before.rate.without_factor = False
        if logs is not None:
            logs.update(self.before.logged)
