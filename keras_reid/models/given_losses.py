"""What `compile` accepts as losses: one, a list or a dict, each an object, a class, a function or Keras' name."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from keras_reid.models.function_loss import FunctionLoss

OUTPUTS = ("logits", "scores", "feature", "embedding")  # of a head
# Keras' names and functions mean probabilities; a head gives logits.
_OF_CLASSES = ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "crossentropy", "ce")
_OF_ONE_HOT_ROWS = (
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
)
_FUNCTIONS_OF_ONE_HOT_ROWS = (
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
)


@dataclasses.dataclass(frozen=True)
class Term:
    """A loss of a compiled model.

    Args:
        name: under which it is logged.
        loss: a `keras.Loss`.
        weight: its factor.
        reads: the output of the head that it gets as `y_pred`.
    """

    name: str
    loss: keras.Loss
    weight: float
    reads: str


def terms_of(
    losses: Any, loss_weights: float | Sequence[float] | Mapping[str, float] | None = None
) -> list[Term]:
    """The terms that a user's losses stand for.

    Args:
        losses: one loss, a list, or a dict of losses by name: see `TrainingModel.compile`.
        loss_weights: one number for one loss; a list with one for each; a dict by name, 1 where it has none; or None.

    Returns:
        A list of `Term`s.

    Raises:
        ValueError: if something is no loss, reads what its key does not name, or has not the right number of weights.
    """
    if isinstance(losses, Mapping) and "class_name" not in losses:
        named = {key: as_loss(value, key) for key, value in losses.items()}
    else:
        one = isinstance(losses, (str, Mapping)) or not isinstance(losses, Iterable)
        several = [losses] if one else list(losses)
        found = [as_loss(value) for value in several]
        named = dict(zip(distinct([loss.name for loss in found]), found, strict=True))
    weights = _weights(loss_weights, list(named))
    by_key = isinstance(losses, Mapping)
    return [
        Term(name, loss, weight, _reads(loss, name if by_key else None))
        for (name, loss), weight in zip(named.items(), weights, strict=True)
    ]


def as_loss(given: Any, key: str | None = None) -> keras.Loss:
    """A `keras.Loss` of what Keras calls an identifier: an object, a class, a function, a name or a config.

    `"sparse_categorical_crossentropy"`, by name, class or function, is that of logits.

    Args:
        given: the identifier.
        key: its name in a dict of losses, for the error.

    Raises:
        ValueError: if it is none, or a loss that cannot learn from identities and logits.
    """
    where = f"loss {key!r}" if key else "loss"
    sparse = (keras.losses.SparseCategoricalCrossentropy, keras.losses.sparse_categorical_crossentropy)
    if given in sparse or (isinstance(given, str) and given in _OF_CLASSES):
        name = given if isinstance(given, str) and given.islower() else "sparse_categorical_crossentropy"
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, name=name)
    try:
        found = keras.losses.get(given)
    except TypeError as error:
        raise ValueError(f"{where}: {error}. Give it as an object, made with its arguments.") from error
    except ValueError:
        found = None
    if found is None:
        raise ValueError(
            f"{where} must be a keras.Loss, a function of y_true and y_pred, or one of Keras' names, such as "
            f"'sparse_categorical_crossentropy'. Received: {given!r}. Those of this package are objects: "
            "keras_reid.losses.CrossEntropy()."
        )
    if isinstance(found, _OF_ONE_HOT_ROWS) or found in _FUNCTIONS_OF_ONE_HOT_ROWS:
        raise ValueError(
            f"{where} must take identities as numbers, and {getattr(given, 'name', given)!r} takes one-hot rows. "
            "Use 'sparse_categorical_crossentropy', or keras_reid.losses.CrossEntropy(label_smoothing=0.1)."
        )
    if isinstance(found, sparse[0]) and not hasattr(found, "reads") and not found.get_config()["from_logits"]:
        raise ValueError(
            f"{where} gets logits, and {found.name!r} expects probabilities. Use "
            "SparseCategoricalCrossentropy(from_logits=True), or keras_reid.losses.CrossEntropy()."
        )
    return found if isinstance(found, keras.Loss) else FunctionLoss(found)


def distinct(names: Iterable[str]) -> list[str]:
    """`["triplet", "triplet"]` → `["triplet", "triplet_2"]`."""
    seen = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result


def combined(*groups: Iterable[Term]) -> list[Term]:
    """Terms of several origins as one list, with names that are all different."""
    terms = [term for group in groups for term in group]
    names = distinct([term.name for term in terms])
    return [dataclasses.replace(term, name=name) for term, name in zip(terms, names, strict=True)]


def losses_config(terms: Sequence[Term]) -> list[Any] | dict[str, Any]:
    """What `terms_of` makes the same terms of, JSON-able: a list, or a dict where the names are the user's."""
    configs = [keras.saving.serialize_keras_object(term.loss) for term in terms]
    names = distinct([term.loss.name for term in terms])
    if all(
        term.name == name and term.reads == _reads(term.loss) for term, name in zip(terms, names, strict=True)
    ):
        return configs
    return {term.name: config for term, config in zip(terms, configs, strict=True)}


def _reads(loss, key=None):
    """The output that a loss gets: the one that it names itself; else the one that its key names; else the logits."""
    own = getattr(loss, "reads", None)
    named = key if key in OUTPUTS else None
    if own and named and own != named:
        raise ValueError(
            f"a loss under the name of one of the head's outputs must read it. Received: {named!r} for a loss that "
            f"reads {own!r}. Give it another name, such as {loss.name!r}."
        )
    return own or named or "logits"


def _weights(given, names):
    if given is None:
        return [1.0] * len(names)
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in names]:
            near = difflib.get_close_matches(str(unknown[0]), names, n=1)
            raise ValueError(
                f"loss_weights must have names of losses, which are {', '.join(map(repr, names))}. "
                f"Received: {unknown[0]!r}.{f' Did you mean {near[0]!r}?' if near else ''}"
            )
        return [float(given.get(name, 1.0)) for name in names]
    given = [given] if isinstance(given, (int, float)) else list(given)
    if len(given) != len(names):
        raise ValueError(f"loss_weights must have one number a loss. Received: {len(given)} for {len(names)}")
    return [float(weight) for weight in given]
