"""Resolves our names: fields of an experiment, components with arguments, commands with options."""

import ast
import importlib
import inspect
import re

import keras_reid
from keras_reid import experiment as ex
from keras_reid.data import augmentation, datasets, samplers
from keras_reid.data.synthetic import Synthetic
from keras_reid.experiment.component import Component
from keras_reid.utils.errors import UserError
from tests.documentation.commands import commands, options_of

_READERS = [getattr(datasets, name) for name in datasets.__all__ if name != "BENCHMARKS"] + [Synthetic]
_COMPONENTS = [
    value for value in vars(ex).values() if inspect.isclass(value) and issubclass(value, Component)
]


def _of(module):
    return [part for part in _COMPONENTS if part.__module__.rsplit(".", 1)[1] == module]


# Components that fit into a field of a kind.
_KINDS = {
    "dataset": _READERS,
    "sampler": [value for value in vars(samplers).values() if inspect.isclass(value)],
    "backbone": _of("backbones"),
    "pooling": _of("pooling"),
    "head": _of("heads"),
    "classifier": _of("heads"),
    "optimizer": [ex.Adam, ex.SGD],
    "schedule": [ex.Constant, ex.MultiStep, ex.Cosine],
    "logit_loss": [ex.LogitDistillationLoss],
}
_SPACES = [ex, keras_reid.data, augmentation]
_LATE_SPACES = (
    "recipes",
    "losses",
    "layers",
    "models",
    "evaluation",
    "weights",
    "training",
    "heads",
    "backbones",
)


def is_field(path):
    """Whether a name such as `model.backbone.last_stride` is a field of an experiment or of a fitting component."""
    kinds = [ex.Experiment]
    for part in path.replace("-", "_").split("."):
        if any(kind is dict for kind in kinds):
            kinds = [type(value) for name, value in ex.Experiment().losses.items() if name == part]
            if not kinds:
                return False
            continue
        having = [kind for kind in kinds if part in inspect.signature(kind).parameters]
        if not having:
            return False
        default = getattr(ex.Experiment() if having == [ex.Experiment] else having[0], part, None)
        kinds = [dict] if part == "losses" else _KINDS.get(part, [type(default)])
    return True


def find(name):
    """The class or function of ours, or of Keras if the name says so, that a name stands for; None if there is none."""
    if name.startswith("keras."):
        import keras

        return _attribute(keras, name.removeprefix("keras."))
    if name.startswith("keras_reid."):
        return _attribute(keras_reid, name.removeprefix("keras_reid."))
    late = (importlib.import_module(f"keras_reid.{space}") for space in _LATE_SPACES)
    for space in (*_SPACES, *late):
        if (value := getattr(space, name, None)) is not None and not inspect.ismodule(value):
            return value
    return None


def _attribute(value, path):
    for part in path.split("."):
        value = getattr(value, part, None)
    return value


def problem_with(code):
    """Why a span is not a command with options, a field, or a name with arguments of ours; None if it is one.

    `RandomErasing(value)` names an argument; `Adam(l2=0.0)` also gives it a value, which is tried.
    """
    words = code.split()
    if words[0] in commands():
        allowed = options_of(commands()[words[0]])
        for word in words[1:]:
            option = word.removeprefix("--")
            fields = words[0] in ("fit", "sweep")
            known = option.replace("-", "_") in allowed or (fields and is_field(option))
            if word != option and not known:
                return f"{words[0]} has no {word}"
        return None
    if re.fullmatch(r"[a-z0-9_.]+", code) and is_field(code):
        return None
    if re.match(r"\w+=", code):  # of an experiment
        return _complaint(lambda: eval(f"Experiment({code})", vars(ex)))
    try:
        expression = ast.parse(code, mode="eval").body
    except SyntaxError:
        return f"{code!r} is neither a command, a field nor a name"
    call = expression if isinstance(expression, ast.Call) else None
    name = ast.unparse(call.func if call else expression)
    target = find(name)
    if target is None:
        return f"there is no {name}"
    if call is None:
        return None
    named = [ast.unparse(argument) for argument in call.args] + [keyword.arg for keyword in call.keywords]
    missing = set(named) - set(inspect.signature(target).parameters)
    if missing:
        return f"{name} has no argument {', '.join(sorted(missing))}"
    if call.keywords and not call.args and inspect.isclass(target):
        values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        return _complaint(lambda: target(**values))
    return None


def _complaint(make):
    try:
        make()
    except (UserError, ValueError, TypeError) as error:
        return str(error)
    return None
