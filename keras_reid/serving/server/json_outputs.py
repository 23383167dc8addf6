"""Writes JSON answers in rows or columns, as TensorFlow Serving does."""

import base64
import json

import numpy as np

from keras_reid.serving.server.serving_error import invalid


def write_outputs(outputs, by_rows):
    """The body of an answer: `{"predictions": [row, …]}` or `{"outputs": …}`.

    A single output has no name; several are an object with their names as keys. Strings of outputs named `…_bytes` are
    written as `{"b64": …}`.
    """
    if not by_rows:
        if len(outputs) == 1:
            return b'{"outputs": ' + _only(outputs).encode() + b"}"
        columns = (f"{json.dumps(name)}: {_text(name, array)}" for name, array in outputs.items())
        return b'{"outputs": {' + ", ".join(columns).encode() + b"}}"
    counts = {name: len(array) if array.ndim else None for name, array in outputs.items()}
    if None in counts.values() or len(set(counts.values())) > 1:
        raise invalid('these outputs differ in their number of rows: send "inputs" instead of "instances"')
    if len(outputs) == 1:
        return b'{"predictions": ' + _only(outputs).encode() + b"}"
    rows = range(next(iter(counts.values())))
    texts = (
        "{"
        + ", ".join(
            f"{json.dumps(name)}: {_text(name, np.asarray(array[row], array.dtype))}"
            for name, array in outputs.items()
        )
        + "}"
        for row in rows
    )
    return b'{"predictions": [' + ", ".join(texts).encode() + b"]}"


def _only(outputs):
    return _text(*next(iter(outputs.items())))


def _text(name, array):
    if array.dtype == object:
        return json.dumps(_nested_strings(array.tolist(), name.endswith("_bytes")))
    if array.dtype == np.float32 and array.ndim and array.size:
        return _float32(array)
    return json.dumps(array.tolist())


def _float32(array):
    """Writes nine significant digits, which restore each float32 exactly; `json` would write 17.

    Whole numbers must not look like integers, so arrays that contain one take the slower way, which keeps ".0".
    """
    if not np.isfinite(array).all() or (array == np.rint(array)).any():
        return json.dumps(array.tolist())
    if array.ndim > 1:
        return "[" + ", ".join(map(_float32, array)) + "]"
    return "[" + ("%.9g, " * (array.size - 1) + "%.9g") % tuple(array.tolist()) + "]"


def _nested_strings(value, as_base64):
    if isinstance(value, list):
        return [_nested_strings(item, as_base64) for item in value]
    if as_base64:
        return {"b64": base64.b64encode(value).decode()}
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
