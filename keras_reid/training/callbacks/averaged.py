"""The weights that a training with an average of weights ends with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def inner_optimizer(model: keras.Model) -> keras.Optimizer:
    """The optimizer itself, where Keras wrapped it to scale losses."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within the block a model has the moving average of its weights, if its optimizer keeps one (`use_ema`).

    They are what Keras' `fit` leaves at its end, so they are what is evaluated and saved before. Nothing happens with
    another optimizer.

    Example:
        >>> with averaged_weights(model):
        ...     model.save("averaged.keras")
    """
    if not getattr(inner_optimizer(model), "use_ema", False):
        yield
        return
    weights = [np.array(variable) for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)
