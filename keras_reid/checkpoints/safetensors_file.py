"""Files in the safetensors form: a header of JSON, then the values of one tensor after the other.

Reading maps the file into memory: a tensor takes none until it is used, except bfloat16, which becomes float32.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_reid.checkpoints.problems import DamagedFile
from keras_reid.checkpoints.stored_tensor import StorageKind, is_size
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import parse_json, written_aside

_KINDS = {
    "F64": StorageKind("float64", "<f8"),
    "F32": StorageKind("float32", "<f4"),
    "F16": StorageKind("float16", "<f2"),
    "BF16": StorageKind("bfloat16", "<u2", upper_half=True),
    "I64": StorageKind("int64", "<i8"),
    "I32": StorageKind("int32", "<i4"),
    "I16": StorageKind("int16", "<i2"),
    "I8": StorageKind("int8", "<i1"),
    "U64": StorageKind("uint64", "<u8"),
    "U32": StorageKind("uint32", "<u4"),
    "U16": StorageKind("uint16", "<u2"),
    "U8": StorageKind("uint8", "<u1"),
    "BOOL": StorageKind("bool", "?"),
}
_NAMES = {np.dtype(kind.code): name for name, kind in _KINDS.items() if not kind.upper_half}
_LENGTH = 8  # bytes of the number before the header
_MOST_HEADER = 2**24  # bytes; a network of 2000 tensors has a hundredth of this
_MOST_DIMENSIONS = 64  # numpy's own limit
_METADATA = "__metadata__"


def is_safetensors(head: bytes) -> bool:
    """Whether a file may be one, by its first 9 bytes: the length of a header, and its opening brace."""
    return len(head) > _LENGTH and head[_LENGTH : _LENGTH + 1] == b"{"


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors of a file as read-only arrays, and its metadata.

    Args:
        path: the file.

    Returns:
        `{name: array}`, with float32 for bfloat16, and `{name: text}`.

    Raises:
        UserError: it is missing, or its header and its values contradict each other.

    Example:
        >>> arrays, metadata = read_safetensors("model.safetensors")  # doctest: +SKIP
        >>> arrays["backbone.conv1.weight"].shape, metadata["format"]  # doctest: +SKIP
        ((64, 3, 7, 7), 'pt')
    """
    path = Path(path)
    try:
        values = np.memmap(path, np.uint8, "r")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # an empty file cannot be mapped
        raise UserError(f"{path} is empty. Fetch or save it again.") from error
    try:
        header, start = _header(path, values)
        metadata = header.pop(_METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise DamagedFile("its metadata are not texts by name")
        return _arrays(header, values[start:]), metadata
    except DamagedFile as error:
        raise UserError(f"{path} is damaged or cut short: {error}. Fetch or save it again.") from error


def write_safetensors(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a file, completely or not at all.

    Args:
        path: the file.
        arrays: `{name: array}` of real numbers or truth values.
        metadata: `{name: text}`.

    Raises:
        UserError: an array is of another type.

    Example:
        >>> write_safetensors("a.safetensors", {"weight": np.eye(3)}, {"format": "pt"})  # doctest: +SKIP
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    end = 0
    # The widest first, so that each begins at a multiple of its size.
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    for name in order:
        array = arrays[name]
        kind = _NAMES.get(array.dtype.newbyteorder("<"))
        if kind is None:
            raise UserError(f"{name!r} must hold real numbers or truth values. Received: {array.dtype}")
        header[name] = {"dtype": kind, "shape": [*array.shape], "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)
    with written_aside(path) as aside, open(aside, "wb") as file:
        file.write(len(text).to_bytes(_LENGTH, "little") + text)
        for name in order:
            file.write(arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False).tobytes())


def _header(path, values):
    """The header, and where the values begin."""
    length = int.from_bytes(bytes(values[:_LENGTH]), "little")
    start = _LENGTH + length
    if length > _MOST_HEADER or start > len(values):
        raise DamagedFile(
            f"its header should have {length:,} bytes, and may have {min(_MOST_HEADER, len(values)):,}"
        )
    header = parse_json(bytes(values[_LENGTH:start]), f"{path}: its header", _MOST_HEADER)
    if not isinstance(header, dict):
        raise DamagedFile("its header is not a table of tensors")
    return header, start


def _arrays(header, values):
    arrays, parts = {}, []
    for name, entry in header.items():
        kind, shape, begin, end = _checked(name, entry)
        if end > len(values):
            raise DamagedFile(f"tensor {name[:100]!a} ends at {end:,} of {len(values):,} bytes")
        parts.append((begin, end))
        part = values[begin:end]
        flat = kind.values(part.tobytes()) if kind.upper_half or begin == end else part.view(kind.code)
        try:
            arrays[name] = np.asarray(flat).reshape(shape)
        except ValueError as error:  # without values, but with sides that are too large even so
            raise DamagedFile(f"an empty tensor has the shape {tuple(shape)}") from error
        arrays[name].flags.writeable = False
    position = 0
    for begin, end in sorted(parts):
        if begin != position:
            raise DamagedFile(f"its tensors leave out or share the bytes from {min(begin, position):,} on")
        position = end
    if position != len(values):
        raise DamagedFile(f"{len(values) - position:,} bytes at its end belong to no tensor")
    return arrays


def _checked(name, entry):
    """Type, shape, begin and end of a tensor as the header has them, if they fit each other."""
    shown = f"{name[:100]!a}"
    entry = entry if isinstance(entry, dict) else {}
    shape, places, dtype = entry.get("shape"), entry.get("data_offsets"), entry.get("dtype")
    if (
        not isinstance(shape, list)
        or not isinstance(places, list)
        or len(shape) > _MOST_DIMENSIONS
        or len(places) != 2
        or not all(map(is_size, (*shape, *places)))
    ):
        raise DamagedFile(f"tensor {shown} has no valid shape and data_offsets in its header")
    if not isinstance(dtype, str) or dtype not in _KINDS:
        raise DamagedFile(
            f"tensor {shown} is of type {str(dtype)[:20]!a}, and must be one of {', '.join(_KINDS)}"
        )
    kind = _KINDS[dtype]
    begin, end = places
    if end - begin != math.prod(shape) * kind.itemsize:
        raise DamagedFile(
            f"tensor {shown} of shape {tuple(shape)!s:.100} has {end - begin:,} bytes, and needs "
            f"{math.prod(shape) * kind.itemsize:,}"
        )
    return kind, shape, begin, end
