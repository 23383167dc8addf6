"""Converts JSON requests, in TensorFlow Serving's row and column formats, to arrays."""

import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_reid.serving.server.serving_error import invalid
from keras_reid.serving.server.tensors import Spec, check_finite, check_names, check_shape

_B64 = "b64"
_KEY = 8  # a key of an object costs as much as this many values


def parse(body: bytes, max_nesting: int) -> dict[str, Any]:
    """Parses a body that must be a JSON object.

    Nesting is counted on the bytes first, so that the parser never recurses too deeply. NaN and infinity, which JSON
    does not have, are rejected.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(f"the body must be JSON in UTF-8: {error.reason} at byte {error.start}") from None
    depth = nesting(body, max_nesting)
    if depth > max_nesting:
        raise invalid(f"JSON may be nested at most {max_nesting} deep. Received: {depth}")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # ValueError also covers integers with thousands of digits
        raise invalid(f"the body must be JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid('the body must be a JSON object such as {"instances": […]}. Received: ' + _kind(value))
    return value


def values(body: bytes) -> int:
    """Approximate number of values in a body, as the cost of parsing; a key counts as several values."""
    return body.count(b",") + body.count(b"[") + body.count(b"{") + _KEY * body.count(b":")


def has_more_values(body: bytes, most: int) -> bool:
    """Whether `values(body)` is above `most`; counts everything only where the size of the body leaves it open."""
    return len(body) + _KEY * body.count(b":") > most and values(body) > most


def check_values(body: bytes, most: int) -> None:
    """Raises if parsing the body would block other requests for too long; looks only at bytes."""
    if has_more_values(body, most):
        raise invalid(
            f"JSON may have at most {most} values, with each key counted as {_KEY}. Received: about {values(body)}; "
            "send several requests, or use gRPC for pixels"
        )


def nesting(body: bytes, enough: int) -> int:
    """Depth of nested brackets outside strings, or an upper bound if that is at most `enough`."""
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= enough:
        return brackets
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    codes = np.frombuffer(body, np.uint8)
    # Overflow keeps the parity, which is odd inside a string.
    inside = np.cumsum(codes == ord('"'), dtype=np.uint8) & 1
    codes = codes[(inside == 0) & np.isin(codes, np.frombuffer(b"[]{}", np.uint8))]
    steps = np.where((codes == ord("[")) | (codes == ord("{")), 1, -1)
    return int(steps.cumsum().max(initial=0))


def signature_name(request: Mapping[str, Any]) -> str:
    """The request's `signature_name`, or the default."""
    name = request.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise invalid(f"signature_name must be a string. Received: {_kind(name)}")
    return name or "serving_default"


def read_inputs(
    request: Mapping[str, Any], specs: Mapping[str, Spec], max_rows: int
) -> tuple[dict[str, np.ndarray], bool]:
    """The arrays of a request, and whether it has rows (`instances`) rather than columns (`inputs`)."""
    if ("instances" in request) == ("inputs" in request):
        raise invalid('the body must have either "instances" (rows) or "inputs" (columns), not both')
    by_rows = "instances" in request
    columns = _from_rows(request["instances"], specs) if by_rows else _from_columns(request["inputs"], specs)
    if not by_rows:  # like TensorFlow Serving, ignore what the signature does not need
        columns = {name: value for name, value in columns.items() if name in specs} or columns
    check_names(columns, specs)
    return {name: _to_array(name, columns[name], spec, max_rows) for name, spec in specs.items()}, by_rows


def _from_columns(value, specs):
    if isinstance(value, dict) and not _is_b64(value):
        return value
    if len(specs) != 1:
        raise invalid(f'"inputs" must be an object with the keys {sorted(specs)}. Received: {_kind(value)}')
    return {next(iter(specs)): value}


def _from_rows(rows, specs):
    if not isinstance(rows, list) or not rows:
        received = "an empty array" if rows == [] else _kind(rows)
        raise invalid(f'"instances" must be an array with at least one row. Received: {received}')
    named = [isinstance(row, dict) and not _is_b64(row) for row in rows]
    if any(named) and not all(named):
        raise invalid(
            f"instances must be either all objects or all values. Row {named.index(not named[0])} differs from row 0"
        )
    if not named[0]:
        if len(specs) != 1:
            raise invalid(f"each of the instances must be an object with the keys {sorted(specs)}")
        return {next(iter(specs)): rows}
    for index, row in enumerate(rows):
        if row.keys() != specs.keys():
            raise invalid(
                f"instances[{index}] must have the keys {sorted(specs)}. Received: {sorted(row)[:20]}"
            )
    return {name: [row[name] for row in rows] for name in specs}


def _to_array(name, value, spec, max_rows):
    if isinstance(value, list) and spec.batched and len(value) > max_rows:
        check_shape(name, (len(value), *spec.shape[1:]), spec, max_rows)  # before converting anything
    array = _strings(name, value) if spec.is_string else _numbers(name, value, spec)
    check_shape(name, array.shape, spec, max_rows)
    return array


def _numbers(name, value, spec):
    """Accepts integers for integers, any number for floats, booleans for booleans; never rounds."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # lists of unequal length
        raise invalid(
            f"{name} must be {spec}. Received: arrays of unequal length or values of several types"
        ) from None
    kinds = {"b": "b", "f": "iuf"}.get(spec.dtype.kind, "iu")
    if array.size and array.dtype.kind not in kinds:
        raise invalid(f"{name} must be {spec}. Received: {_found(array)}")
    if spec.dtype.kind != "b" and _has_boolean(value):
        raise invalid(f"{name} must be {spec}. Received: true or false among the numbers")
    if spec.dtype.kind in "iu" and array.size:
        lowest, highest = np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max
        if array.min() < lowest or array.max() > highest:
            raise invalid(
                f"{name} must be from {lowest} to {highest}. Received: {array.min()} to {array.max()}"
            )
    with np.errstate(over="ignore"):  # becomes infinite, which is rejected
        array = array.astype(spec.dtype)
    check_finite(name, array)
    return array


def _strings(name, value):
    """Converts nested lists of strings and of `{"b64": …}`, which stands for bytes."""
    shape, items = [], [value]
    while isinstance(items[0], list):
        shape.append(len(items[0]))
        if any(not isinstance(item, list) or len(item) != shape[-1] for item in items):
            raise invalid(f"{name} has arrays of unequal length")
        items = [entry for item in items for entry in item]
        if not items:
            break
    array = np.empty(len(items), object)
    array[:] = [_bytes(name, index, item) for index, item in enumerate(items)]
    return array.reshape(shape)


def _bytes(name, index, item):
    if _is_b64(item):
        try:
            return binascii.a2b_base64(item[_B64], strict_mode=True)
        except ValueError:
            pass
        # Accept line breaks, which are usual after 76 characters, and a missing "=" at the end.
        text = "".join(item[_B64].split())
        try:
            return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
        except ValueError as error:
            raise invalid(f"{name}[{index}] must be base64: {error}") from None
    if isinstance(item, str):
        try:
            return item.encode("utf-8")
        except UnicodeEncodeError:
            raise invalid(f"{name}[{index}] contains half a surrogate pair, which is not text") from None
    raise invalid(f'{name}[{index}] must be a string or {{"b64": "…"}}. Received: {_kind(item)}')


def _is_b64(value):
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_B64), str)


def _has_boolean(value):
    """Whether lists contain a boolean: NumPy would accept `[1, true]` as integers."""
    if isinstance(value, list):
        if value and not isinstance(value[0], list):
            return bool in set(map(type, value))
        return any(map(_has_boolean, value))
    return isinstance(value, bool)


def _found(array):
    kinds = {
        "U": "strings",
        "b": "true or false",
        "f": "numbers with a fraction",
        "i": "integers",
        "u": "integers",
    }
    return kinds.get(array.dtype.kind, "null, objects, or values of several types")


def _kind(value):
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _no_constant(text):
    raise ValueError(f"{text} is not JSON; numbers must be finite")
