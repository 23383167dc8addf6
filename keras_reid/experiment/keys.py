"""Dotted keys, such as `model.pooling.p`: an experiment changed by them, and written out as them."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment


def change(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """A copy of an experiment with new values for some keys; see `Experiment.with_changes`."""
    return _changed(experiment, changes, (), experiment)


def value_at(experiment: Experiment, key: str) -> Any:
    """What stands in an experiment under a key that it has."""
    value = experiment
    for name in key.split("."):
        value = _children(value)[name]
    return value


def lines(experiment: Experiment) -> list[str]:
    """An experiment as `KEY = VALUE`, one line for each key that the command line can set to VALUE.

    Lines that begin with # say what the command line cannot set: `# KEY: TYPE` for a component, above its own keys, or
    for an object of the user's own.

    Example:
        >>> from keras_reid.experiment import Experiment
        >>> lines(Experiment())[7:10]
        ['data.sampler.images_per_identity = 4', 'data.augmentation =', 'data.skip_unreadable = False']
    """
    return list(_lines(experiment, ()))


def type_name(value: Any) -> str:
    """Under which name an object of the user's own is written down: a function's or a class's, or that of its class."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def is_description(value: Any) -> bool:
    """Whether a value has fields: an experiment, a section of it, or a component; not the class of one."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _changed(value, changes, path, experiment):
    """A copy of `value`, which lies at `path` in the experiment; the keys of the changes begin below it."""
    grouped = {}  # {name: {the rest of the key, "" for the value itself: new value}}
    for key, new in changes.items():
        name, _, rest = key.partition(".")
        grouped.setdefault(name, {})[rest] = new
    children = _children(value)
    for name, below in grouped.items():
        added = isinstance(value, Mapping) and "" in below
        if name not in children and not added:
            raise _unknown((*path, name), value, experiment)
        if "" in below:
            children[name] = below.pop("")
        if below:
            children[name] = _changed(children[name], below, (*path, name), experiment)
    if isinstance(value, Mapping):
        return children
    if isinstance(value, tuple):
        return tuple(children.values())
    return dataclasses.replace(value, **{name: children[name] for name in grouped})


def _children(value):
    """`{name: value}`: the fields of a description, or the items of a mapping or of a tuple of descriptions."""
    if is_description(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple) and any(map(is_description, value)):
        return {str(place): item for place, item in enumerate(value)}
    return {}


def _lines(value, path):
    for name, child in _children(value).items():
        key = ".".join((*path, name))
        if _is_plain(child):
            yield f"{key} = {_words(child)}".rstrip()
            continue
        if _may_be_anything(value, name):
            yield f"# {key}: {type(child).__name__ if is_description(child) else type_name(child)}"
        yield from _lines(child, (*path, name))


def _may_be_anything(value, name):
    """Whether the type of a child has to be told: a section, such as `model`, is the same in every experiment."""
    return not is_description(value) or value.__dataclass_fields__[name].type is Any


def _is_plain(value):
    if isinstance(value, (tuple, Mapping)):
        return not value or (isinstance(value, tuple) and all(map(_is_plain, value)))
    return value is None or isinstance(value, (str, int, float, Path))


def _words(value):
    """As a shell takes it: a tuple is several words."""
    if isinstance(value, (tuple, Mapping)):
        return " ".join(_words(item) for item in value)
    return shlex.quote(str(value))


def _unknown(path, parent, experiment):
    key, above = ".".join(path), ".".join(path[:-1])
    if above and not _children(parent):
        return UserError(
            f"there is no key {key!r}: {above} is {type_name(parent)}, which has no keys. Replace {above} as a whole"
        )
    near = difflib.get_close_matches(key, list(_known(experiment, ())), n=3)
    hint = f". Perhaps you meant: {', '.join(near)}" if near else ""
    return UserError(f"there is no key {key!r}{hint}")


def _known(value, path):
    for name, child in _children(value).items():
        yield ".".join((*path, name))
        yield from _known(child, (*path, name))
