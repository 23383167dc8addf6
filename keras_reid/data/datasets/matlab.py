"""Reading MATLAB files of versions 5 to 7. Version 7.3 writes HDF5, which h5py reads.

SciPy's `loadmat` would do, but it may crash the whole process on a damaged file: SciPy 1.17.1 ends in a segmentation
fault where one byte turns a structure into a sparse matrix (tests/data/datasets/test_matlab.py). This reader refuses
such a file in words.
"""

from __future__ import annotations

import os
import struct
import zlib
from math import prod
from typing import Any

import numpy as np

from keras_reid.utils.errors import UserError

_COMPRESSED, _MATRIX, _UTF8, _UTF16 = 15, 14, 16, 17
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _STRUCT, _CHAR, _NUMERIC, _COMPLEX = 1, 2, 4, range(6, 16), 0x800


def read_matlab(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Variables of a MATLAB file ("level 5", versions 5 to 7): real numbers, texts of one line, cells and structures.

    Args:
        file: path of the file.

    Returns:
        dict: name → array with MATLAB's shape for numbers, str for a text, list in MATLAB's order for a cell, and for
        a structure dict: field → list of its values in MATLAB's order.

    Raises:
        UserError: if the file is of another kind or damaged, or holds other classes of variables.
    """
    with open(file, "rb") as stream:
        data = stream.read()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or data[:10] != b"MATLAB 5.0":
        raise UserError(f"{file} is not a MATLAB file of versions 5 to 7")
    try:
        return dict(_matrix(*element, order) for element in _elements(data[128:], order))  # type: ignore[call-arg]
    except (struct.error, ValueError, IndexError, KeyError, zlib.error) as error:
        raise UserError(
            f"{file} is damaged, or holds something other than numbers, texts, cells and structures: {error}"
        ) from None


def _elements(data, order):
    """(type, content) of each element, decompressed."""
    start = 0
    while start < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, start)
        if kind >> 16:  # up to four bytes of content stand where the size would be
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
        else:
            begin = start + 8
            end = begin + size
            end += -size % 8 if kind != _COMPRESSED else 0
        if begin + size > len(data):
            raise ValueError("it ends too early")
        content = data[begin : begin + size]
        if kind == _COMPRESSED:
            yield from _elements(zlib.decompress(content), order)
        else:
            yield kind, content
        start = end


def _matrix(kind, content, order):
    """(name, value) of a variable."""
    if kind != _MATRIX:
        raise ValueError(f"an element of type {kind} where a variable should be")
    if not content:
        return "", np.zeros((0, 0))
    flags, shape, name, *values = _elements(content, order)
    flags = struct.unpack_from(f"{order}I", flags[1])[0]
    variable = flags & 0xFF
    shape = tuple(_array(*shape, order).tolist())
    own = name[1].decode("latin-1")
    if variable == _CELL:
        return own, [_matrix(*value, order)[1] for value in values[: prod(shape)]]
    if variable == _STRUCT:
        # The longest a name may be, with the zero at its end; all names; then element by element its fields.
        width = int(_array(*values[0], order)[0])
        names = [values[1][1][start : start + width] for start in range(0, len(values[1][1]), width)]
        names = [name.split(b"\0")[0].decode("latin-1") for name in names]
        fields = [_matrix(*value, order)[1] for value in values[2 : 2 + prod(shape) * len(names)]]
        return own, {name: fields[place :: len(names)] for place, name in enumerate(names)}
    if variable == _CHAR and prod(shape[:-1]) <= 1:
        kind, text = values[0]
        if kind in (_UTF8, _UTF16):
            encoding = "utf-8" if kind == _UTF8 else {"<": "utf-16-le", ">": "utf-16-be"}[order]
            return own, text.decode(encoding)
        return own, "".join(map(chr, _array(kind, text, order).tolist()))
    if variable not in _NUMERIC or flags & _COMPLEX:
        raise ValueError(f"variable {own!r} is of class {variable}, shape {shape}")
    return own, _array(*values[0], order).reshape(shape, order="F")


def _array(kind, content, order):
    return np.frombuffer(content, np.dtype(order + _NUMBERS[kind]))
