"""Writes JSON answers in rows or columns, as TensorFlow Serving does."""

import base64
import json
from collections.abc import Mapping

import numpy as np
import orjson

from keras_reid.serving.server.serving_error import invalid


def write_outputs(outputs: Mapping[str, np.ndarray], by_rows: bool) -> bytes:
    """The body of an answer: `{"predictions": [row, …]}` or `{"outputs": …}`.

    A single output has no name; several are an object with their names as keys. Strings of outputs named `…_bytes` are
    written as `{"b64": …}`.
    """
    if not by_rows:
        return b'{"outputs": ' + _object(outputs) + b"}"
    counts = {name: len(array) if array.ndim else None for name, array in outputs.items()}
    if None in counts.values() or len(set(counts.values())) > 1:
        raise invalid('these outputs differ in their number of rows: send "inputs" instead of "instances"')
    if len(outputs) == 1:
        return b'{"predictions": ' + _object(outputs) + b"}"
    rows = range(len(next(iter(outputs.values()))))
    texts = (
        _object({name: np.asarray(array[row], array.dtype) for name, array in outputs.items()})
        for row in rows
    )
    return b'{"predictions": [' + b", ".join(texts) + b"]}"


def _object(outputs):
    if len(outputs) == 1:
        return _text(*next(iter(outputs.items())))
    columns = (json.dumps(name).encode() + b": " + _text(name, array) for name, array in outputs.items())
    return b"{" + b", ".join(columns) + b"}"


def _text(name, array):
    if array.dtype == object:
        return json.dumps(_nested_strings(array.tolist(), name.endswith("_bytes"))).encode()
    if array.dtype == np.float32 and array.ndim and np.isfinite(array).all():
        # The fewest digits that restore each float32; `json` would write those of a float64, ten times as slowly.
        return orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(
        array.tolist()
    ).encode()  # also NaN, which is not JSON, but TensorFlow Serving writes it


def _nested_strings(value, as_base64):
    if isinstance(value, list):
        return [_nested_strings(item, as_base64) for item in value]
    if as_base64:
        return {"b64": base64.b64encode(value).decode()}
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
