"""Answers in JSON, by rows or by columns, as TensorFlow Serving writes them."""

import base64
import json

import numpy as np

from keras_reid.serving.server.errors import invalid


def write_outputs(outputs, by_rows):
    """The body of an answer: `{"predictions": [row, …]}` or `{"outputs": …}`.

    One output stands by itself, several are an object by name. Strings whose output is called `…_bytes` are
    written as `{"b64": …}`.
    """
    if not by_rows:
        if len(outputs) == 1:
            return b'{"outputs": ' + _only(outputs).encode() + b"}"
        columns = (f"{json.dumps(name)}: {_text(name, array)}" for name, array in outputs.items())
        return b'{"outputs": {' + ", ".join(columns).encode() + b"}}"
    counts = {name: len(array) if array.ndim else None for name, array in outputs.items()}
    if None in counts.values() or len(set(counts.values())) > 1:
        raise invalid('these outputs have no rows in common: ask with "inputs" instead of "instances"')
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
    """Nine significant digits, which give each float32 back; `json` would write 17 of the same number.

    Whole numbers must not look like integers: then the slower way keeps their ".0".
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
