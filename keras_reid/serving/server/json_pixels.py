"""Reads the pixels of a JSON body without making a Python object of each number.

An image of 128 × 64 pixels is 24 576 numbers in 8320 lists. `json` and NumPy take thirty times as long for them as this
module, which compares the brackets and commas of a row with those that its shape needs, and computes all its numbers
at once. It reads only what it is sure of: for anything else `read` returns None, and the general parser decides, so
that all rules and all error messages are there, once.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.serving.server.json_inputs import nesting

if TYPE_CHECKING:
    from keras_reid.serving.server.loaded_model import LoadedModel, Route
    from keras_reid.serving.server.options import Limits

_LEAST = 256  # bytes of text between quotes that may be pixels
_MOST_OUTSIDE = 1 << 16  # bytes outside the pixels; a body with more is not mainly pixels
_SEPARATORS = (b",", b", ")  # compact, and as Python's `json` writes it
_PLACE = b"NaN"  # stands for an array while the rest is parsed; JSON has no such word


def read(body: bytes, model: LoadedModel, limits: Limits) -> tuple[Route, dict[str, np.ndarray], bool] | None:
    """The route, the arrays and whether they came in rows, as `json_inputs` would return them; or None.

    Args:
        body: bytes; `json_inputs.check_values` has accepted it.
        model: `LoadedModel`.
        limits: `Limits`.
    """
    outside, texts = _without_arrays(body)
    payload = _parsed(outside, texts, limits.max_nesting) if texts else None
    if payload is None:
        return None
    name = payload.pop("signature_name", "")
    route = model.routes.get(name or "serving_default") if isinstance(name, str) else None
    if route is None or len(payload) != 1 or len(route.signature.inputs) != 1:
        return None
    ((key, spec),) = route.signature.inputs.items()
    if spec.dtype != np.uint8 or not spec.batched or len(spec.shape) < 2 or 0 in spec.shape[1:]:
        return None
    ((form, value),) = payload.items()
    array = None
    if form == "instances" and isinstance(value, list) and len(texts) == len(value) <= limits.max_rows:
        if all(isinstance(row, dict) and [*row] == [key] for row in value):
            array = _stacked((row[key] for row in value), len(value), spec.shape[1:])
    elif form in ("instances", "inputs") and len(texts) == 1:
        if form == "inputs" and isinstance(value, dict) and [*value] == [key]:
            value = value[key]
        array = _rows(value, spec.shape[1:], limits.max_rows)
    return None if array is None else (route, {key: array}, form == "instances")


def _without_arrays(body):
    """The body with a word in place of each long array outside strings, and the texts of these arrays."""
    pieces = body.split(b'"', _MOST_OUTSIDE)
    texts = []
    for index in range(0, len(pieces), 2):  # the pieces between are strings
        piece = pieces[index]
        if len(piece) < _LEAST:
            continue
        start, brace = piece.find(b"["), piece.find(b"}")
        end = piece.rfind(b"]", 0, brace if brace >= 0 else len(piece)) + 1
        if 0 <= start < end:
            texts.append(piece[start:end])
            pieces[index] = piece[:start] + _PLACE + piece[end:]
    return (b'"'.join(pieces) if texts else body), texts


def _parsed(outside, texts, max_nesting):
    """The object that the body is, with the texts as bytes in place of the arrays; or None."""
    if len(outside) > _MOST_OUTSIDE or b"\\" in outside or b"Infinity" in outside:
        return None
    if outside.count(_PLACE) != len(texts):
        return None
    deepest = max(len(text) - len(text.lstrip(b"[")) for text in texts)
    if nesting(outside, max_nesting - deepest) > max_nesting - deepest:
        return None
    places = iter(texts)
    try:
        payload = json.loads(outside.decode("utf-8"), parse_constant=lambda _: next(places))
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _rows(text, shape, max_rows):
    """The array `(rows, *shape)` of the text of nested arrays; or None."""
    if not isinstance(text, bytes):
        return None
    opening, closing = b"[" * len(shape), b"]" * len(shape)
    if not (text.startswith(b"[" + opening) and text.endswith(closing + b"]")):
        return None
    between = closing + _separator(text) + opening
    rows = text[len(opening) + 1 : -len(closing) - 1].split(between, max_rows)
    if len(rows) > max_rows:
        return None
    return _stacked((opening + row + closing for row in rows), len(rows), shape)


def _stacked(texts, count, shape):
    """The array `(rows, *shape)` of the texts of its rows; or None."""
    array = np.empty((count, *shape), np.uint8)
    for text, row in zip(texts, array, strict=True):
        if not isinstance(text, bytes) or not _fill(row.reshape(-1), text, _pattern(shape, _separator(text))):
            return None
    return array


def _separator(text):
    comma = text.find(b",")
    return _SEPARATORS[text[comma + 1 : comma + 2] == b" "]


@functools.lru_cache(maxsize=16)
def _pattern(shape, separator):
    """The marks (all bytes but digits) of an array of this shape, and which of them follow a number."""
    text = b"0"
    for size in reversed(shape):
        text = b"[" + separator.join([text] * size) + b"]"
    codes = np.frombuffer(text, np.uint8) - np.uint8(ord("0"))
    places = np.flatnonzero(codes > 9)
    return codes[places], np.flatnonzero(np.diff(places) > 1) + 1


def _fill(row, text, pattern):
    """Writes the numbers of a text to `row`; returns whether it is an array of numbers from 0 to 255 in the pattern.

    `marks` and the numbers between them account for every byte: as many bytes as digits are left must lie in front of
    the marks that follow a number, one to three each.
    """
    marks, after = pattern
    codes = np.frombuffer(text, np.uint8) - np.uint8(ord("0"))  # a digit's value; marks are above 9
    places = np.flatnonzero(codes > 9)
    if len(places) != len(marks) or not np.array_equal(codes[places], marks):
        return False
    ends = places[after]
    lengths = ends - places[after - 1] - 1
    if lengths.min() < 1 or lengths.max() > 3 or lengths.sum() != len(codes) - len(marks):
        return False
    several, many = lengths > 1, lengths > 2
    if (several & (codes[ends - lengths] == 0)).any():  # JSON has no leading zeros
        return False
    values = codes[ends - 1].astype(np.uint16)
    values += codes[ends - 2] * several * np.uint8(10)
    values += (codes[ends - 3] * many).astype(np.uint16) * np.uint16(100)
    if values.max() > 255:
        return False
    row[:] = values
    return True
