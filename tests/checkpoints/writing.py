"""Weights files in PyTorch's format with the contents that a test wants."""

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
