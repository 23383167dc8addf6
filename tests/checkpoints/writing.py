"""Weights files in PyTorch's format, and state dicts, with the contents that a test wants."""

import pickle

import numpy as np

from tests.checkpoints import pickles

_KINDS = {"float32": "torch.FloatStorage", "float64": "torch.DoubleStorage", "int64": "torch.LongStorage"}


def write_torch_file(path, content):
    """Writes nested dicts with arrays and plain values as `torch.save` does; returns the path."""
    storages = {}

    def push(value):
        if isinstance(value, dict):
            pairs = b"".join(pickles.value(key) + push(inner) for key, inner in value.items())
            return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS
        if not isinstance(value, np.ndarray):
            return pickles.value(value)
        key = str(len(storages))
        storages[key] = np.ascontiguousarray(value).tobytes()
        storage = pickles.storage(_KINDS[value.dtype.name], key, value.size)
        strides = tuple(stride // value.itemsize for stride in np.ascontiguousarray(value).strides)
        return pickles.tensor(storage, 0, value.shape, strides if value.ndim else ())

    instructions = push(content)
    return pickles.zip_file(path, instructions, storages)


# From the variables' layouts back to those of the files.
_ORDERS = {"convolution": (3, 2, 0, 1), "depthwise": (2, 3, 0, 1), "matrix": (1, 0)}


def state_of(targets):
    """The state dict `{name: array}` that would fill `{name: Target}` with the values that are there."""
    state = {}
    for name, target in targets.items():
        value = np.asarray(target.variable)
        state[name] = np.transpose(value, _ORDERS[target.layout]) if target.layout in _ORDERS else value
    return state
