"""Which layers a frozen step leaves alone, and how they run in it."""

import difflib
import inspect
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import keras

from keras_reid.utils.keras_internals import layers_within
from keras_reid.utils.replaced_calls import replaced_calls


class Freezing:
    """The layers that are frozen and the variables that learn meanwhile.

    A plain class on purpose, so that Keras does not find the layers of the model a second time.

    Args:
        model: a `ReIDModel`.
        patterns: as for `find_layers`.

    Raises:
        ValueError: as `find_layers`.
    """

    def __init__(self, model: keras.Model, patterns: Sequence[str]) -> None:
        self.layers = find_layers(model, patterns)
        frozen = {id(variable) for layer in self.layers for variable in layer.trainable_variables}
        self.learning = [variable for variable in model.trainable_variables if id(variable) not in frozen]


def find_layers(model: keras.Model, patterns: Sequence[str]) -> list[keras.layers.Layer]:
    """The layers of a `ReIDModel` that patterns name.

    A layer's name is its path with dots: `backbone.layer1.0.conv1`, `pooling`, `head.neck`. Within the backbone it may
    begin with the layer's own name. A pattern is a regular expression for the start of a name, up to a dot or the end
    of it: `layer1` is all of the first stage and not `layer10`, `conv1` not `conv1_bn`, `layer[12]` two stages.

    Args:
        model: a `ReIDModel`.
        patterns: regular expressions.

    Returns:
        The outermost layers that match.

    Raises:
        ValueError: if a pattern is not a regular expression, or matches no layer; with the names that are closest to
        it.
    """
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(f"freeze_layers must be a list of patterns of layer names. Received: {patterns!r}")
    named = dict(_named_layers(model))
    found = {}
    for pattern in patterns:
        try:
            expression = re.compile(rf"(?:{pattern})(?:\.|$)")
        except re.error as error:
            raise ValueError(f"freeze_layers: {pattern!r} is not a regular expression: {error}") from error
        matching = [name for name in named if any(map(expression.match, _spellings(name)))]
        if not matching:
            names = [spelling for name in named for spelling in _spellings(name)[-1:]]
            stages = list(dict.fromkeys(".".join(name.split(".")[:n]) for n in (1, 2) for name in names))
            close = difflib.get_close_matches(pattern, [*stages, *names], n=3, cutoff=0.4) or stages[:5]
            raise ValueError(
                f"freeze_layers: no layer's name begins with {pattern!r}. Did you mean {', '.join(close)}?"
            )
        found.update((name, named[name]) for name in matching)
    return [
        layer for name, layer in found.items() if not any(name.startswith(f"{other}.") for other in found)
    ]


def inference_mode(layers: Iterable[keras.layers.Layer]) -> AbstractContextManager[None]:
    """A context in which these layers and all within them compute as in inference, whatever `training` says.

    Dropout and the like are off, and batch normalisation uses and keeps its moving statistics. `layer.trainable` would
    do the latter alone, and would be saved with a model whose training is interrupted.
    """
    every = [inner for layer in layers for inner in layers_within(layer)]
    return replaced_calls(every, _without_training)


def _without_training(layer, call):
    """`call` with `training=False`; None for a layer that knows no `training`."""
    signature = inspect.signature(call)
    if "training" not in signature.parameters:
        return None

    def in_inference(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.arguments["training"] = False
        return call(*bound.args, **bound.kwargs)

    return in_inference


def _named_layers(model):
    for part in ("backbone", "pooling", "head"):
        layer = getattr(model, part)
        yield part, layer
        # What a layer of the backbone consists of is frozen as a whole: some, such as IBN, only keep weights in it.
        yield from _within(part, layer, models_only=part == "backbone")


def _within(path, layer, models_only):
    if models_only and not isinstance(layer, keras.Model):
        return
    for inner in layers_within(layer, recursive=False):
        name = f"{path}.{inner.name}"
        yield name, inner
        yield from _within(name, inner, models_only)


def _spellings(name):
    """As it may begin in a pattern; the shortest last."""
    return [name, name.removeprefix("backbone.")]
