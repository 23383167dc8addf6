"""An experiment as plain values, and in what two differ."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_reid.experiment.keys import is_description, type_name


def as_dict(value: Any) -> Any:
    """An experiment as plain JSON-able values: descriptions as `{"type": name, fields}`, own components by name."""
    if is_description(value):
        fields = {field.name: as_dict(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): as_dict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_dict(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if hasattr(value, "get_config") and not isinstance(value, type):  # Keras objects
        import keras

        # A layer without its own config cannot be saved either, and the error comes when the model is built.
        with contextlib.suppress(NotImplementedError):
            return keras.saving.serialize_keras_object(value)
    return type_name(value)


def changed(value: Any) -> Any:
    """As `as_dict`, without the fields that have their defaults: what a reader has to know of an experiment.

    Example:
        >>> from keras_reid.experiment import Experiment
        >>> changed(Experiment().with_changes({"training.epochs": 7}))
        {'type': 'Experiment', 'training': {'type': 'Training', 'epochs': 7}}
    """
    if isinstance(value, Mapping):
        return {str(key): changed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [changed(item) for item in value]
    if not is_description(value):
        return as_dict(value)
    fields = {}
    for field in dataclasses.fields(value):
        mine = getattr(value, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if default is dataclasses.MISSING or as_dict(mine) != as_dict(default):
            fields[field.name] = changed(mine)
    return {"type": type(value).__name__, **fields}


def differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    """The dotted keys under which two experiments, as `as_dict` gives them and JSON brings them back, differ."""
    # Where no seed is given to a layer, Keras draws another one in each process.
    if key.endswith(".config.seed"):
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() | now.keys():
            inner = f"{key}.{name}" if key else name
            yield from differences(before.get(name), now.get(name), inner)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from differences(old, new, f"{key}.{index}")
    elif before != now:
        yield key
