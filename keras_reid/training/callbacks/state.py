"""The state of a training run: its variables, and whether it has diverged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.training.callbacks.averaged import inner_optimizer
from keras_reid.utils.keras_internals import learning_rate_source

if TYPE_CHECKING:
    import keras

RATE = "rate"  # of a warm-up
_VARIABLES, _IDENTITIES = 3, 16  # that a message names


def training_variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Names and variables of a compiled model; the position makes names distinct, as Keras' paths need not be."""
    kinds = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "training": getattr(model, "training_state", ()),
        RATE: getattr(learning_rate_source(inner_optimizer(model)), "state_variables", ()),
    }
    for kind, variables in kinds.items():
        for index, variable in enumerate(variables):
            yield f"{kind}/{index:04d}", variable


def wrong_label(model: keras.Model) -> str | None:
    """Says which label of a batch is not a class, if that is why its loss was not finite; otherwise None."""
    return getattr(getattr(model, "nonfinite", None), "wrong_label", None)


def divergence(
    model: keras.Model,
    logs: dict[str, Any] | None = None,
    variables: bool = True,
    names: Sequence[str] | None = None,
) -> str | None:
    """Says in words how a training has diverged; None if it has not.

    Args:
        model: a compiled model. `model.nonfinite`, which a `ReIDModel` keeps, is the first step whose loss was not
            finite.
        logs: of another model, whose `"loss"` is checked.
        variables: whether every variable is checked too. They may diverge while the losses do not: a moving
            variance, or a gradient of √0.
        names: of the classes, by their numbers.
    """
    if hasattr(model, "nonfinite"):
        if model.nonfinite is not None:
            return _sentence(model.nonfinite, names)
    elif logs and "loss" in logs and not math.isfinite(float(logs["loss"])):
        return (
            f"the loss is {float(logs['loss'])} at or before step {int(model.optimizer.iterations.numpy())}"
        )
    wrong = _non_finite(variable for _, variable in training_variables(model)) if variables else []
    return (
        f"NaN or infinity in {', '.join(wrong)} at step {int(model.optimizer.iterations.numpy())}"
        if wrong
        else None
    )


def _sentence(found, names):
    terms = {name: float(value) for name, value in found.terms.items()}
    gradient = terms.pop("gradient", 0.0)
    if all(map(math.isfinite, terms.values())) and not math.isfinite(gradient):
        terms["gradient"] = gradient  # of a loss that is not finite it goes without saying
    bad = [f"{name} is {value}" for name, value in terms.items() if not math.isfinite(value)]
    good = [f"{name} {value:.4g}" for name, value in terms.items() if math.isfinite(value)]
    numbers = np.unique(np.asarray(found.identities)).tolist()
    known = dict(enumerate(names or ()))
    shown = [str(known.get(number, number)) for number in numbers[:_IDENTITIES]]
    more = [f"… ({len(numbers)} in all)"] if len(numbers) > _IDENTITIES else []
    return (
        f"{', '.join(bad) or 'the sum of the terms is not finite'} at step {int(found.step)}"
        f"{' (' + ', '.join(good) + ')' if good else ''}, learning rate {float(found.learning_rate):.3g}, "
        f"identities {', '.join(shown + more)}"
    )


def _non_finite(variables):
    """The paths of variables with NaN or infinity, at most three."""
    wrong = []
    for variable in variables:
        array = np.asarray(variable)
        if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
            wrong.append(getattr(variable, "path", "a variable"))
    more = [f"… ({len(wrong)} in all)"] if len(wrong) > _VARIABLES else []
    return wrong[:_VARIABLES] + more
