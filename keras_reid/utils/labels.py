"""Checks labels: whole numbers, one per sample, for identities, classes, clusters or cameras.

Arrays and eager tensors are checked in NumPy, and errors describe the problem. A compiled step cannot raise errors.
There the functions also return which rows have a valid label, and their callers set the other rows to NaN. Labels are
never cast to a narrower type before they are compared.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

# From these numbers on, a type can no longer tell neighbouring whole numbers apart.
_EXACT_BELOW = {"bfloat16": 2**8, "float16": 2**11, "float32": 2**24, "float64": 2**53}
_WIDE = ("int64", "uint32", "uint64")
# `integers` turns a float that is not a whole number into the smallest integer of the type.
NO_LABELS = [np.iinfo(dtype).min for dtype in ("int32", "int64")]


def check_labels(
    labels: Any, owner: str, below: int | None = None, lowest: int = 0, kind: str = "class"
) -> None:
    """Raises a ValueError unless an array holds one valid label per sample.

    Args:
        labels: NumPy array.
        owner: whose labels they are, for the message.
        below: labels must be from `lowest` up to, not including, this number; None: any whole number.
        lowest: 0, or −1 if −1 stands for "no label".
        kind: what the labels number: "class" or "cluster".

    Raises:
        ValueError: names the first wrong label, its row, and how many there are.
    """
    _check_shape(labels.shape, owner)
    if labels.dtype.kind not in "biuf" and str(labels.dtype) not in _EXACT_BELOW:
        raise ValueError(f"{owner}: labels must be whole numbers. Received: labels of type {labels.dtype}")
    flat = labels.reshape(-1)
    wrong = np.zeros(flat.shape, bool)
    if str(flat.dtype) in _EXACT_BELOW:
        flat = flat.astype(np.float64)
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(flat) < _EXACT_BELOW[str(labels.dtype)]) | (flat != np.floor(flat))
    if wrong.any():
        raise ValueError(
            f"{owner}: labels must be whole numbers, which {labels.dtype} holds exactly below "
            f"{_EXACT_BELOW[str(labels.dtype)]}. Received: {_first_of(wrong, flat)}. "
            "Use integers: labels.astype('int32')."
        )
    if below is None:
        return
    wrong = (flat < lowest) | (flat >= below)
    if wrong.any():
        raise ValueError(
            f"{owner}: labels must be {range_in_words(below, kind)}{', or -1 for none' if lowest else ''}. "
            f"Received: {_first_of(wrong, flat, int)}. Number the identities from 0, "
            "numpy.unique(identities, return_inverse=True)[1], and make as many classes as there are identities."
        )


def range_in_words(below: int, kind: str = "class") -> str:
    """The range as text, such as `"class numbers from 0 to 7, for 8 classes"`."""
    plural = f"{kind}es" if kind == "class" else f"{kind}s"
    return f"{kind} numbers from 0 to {below - 1}, for {below} {plural if below != 1 else kind}"


def integers(labels: Any, owner: str) -> Any:
    """Converts labels of any type to int32 or int64 `(batch,)`, whichever can hold them all.

    A float that is not a whole number becomes the smallest integer of the type, which is not a valid label.

    Args:
        labels: `(batch,)` or `(batch, 1)`.
        owner: whose labels they are, for messages.

    Raises:
        ValueError: the shape or type is wrong or, if values are known, one is not a whole number.
    """
    known = known_values(labels)
    if known is not None:
        check_labels(known, owner)
        known = known if known.dtype.kind in "biu" else known.astype(np.int64)
        labels = ops.convert_to_tensor(known)
        if keras.backend.standardize_dtype(labels.dtype) == "int32":  # JAX has no wider integers
            _check_32_bits(known, owner)
    else:
        _check_shape(labels.shape, owner)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    labels = ops.reshape(labels, (-1,))
    if dtype in _EXACT_BELOW:
        whole = ops.logical_and(ops.equal(labels, ops.floor(labels)), ops.abs(labels) < _EXACT_BELOW[dtype])
        wider = "int64" if dtype == "float64" else "int32"
        return ops.where(whole, ops.cast(ops.where(whole, labels, 0), wider), _no_label(wider))
    if dtype == "string":
        raise ValueError(f"{owner}: labels must be whole numbers. Received: labels of type string")
    return ops.cast(labels, "int64" if dtype in _WIDE else "int32")


def whole_numbers(labels: Any, rows: Any, owner: str, bits: int = 64) -> tuple[Any, Any]:
    """Converts labels that are only compared with each other, so that any whole numbers are valid.

    Args:
        labels: `(rows,)` or `(rows, 1)`.
        rows: the tensor `(rows, …)` that they belong to.
        owner: as for `integers`.
        bits: 32 if they are stored as int32.

    Returns:
        int32 or int64 `(rows,)`, and bool `(rows,)`: which of them are valid labels.

    Raises:
        ValueError: as for `integers`; or there is not one label per row, or a label does not fit.
    """
    known = known_values(labels)
    labels = _one_a_row(integers(labels, owner), rows, owner)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    right = ops.not_equal(labels, _no_label(dtype))
    if bits == 32 and dtype == "int64":
        if known is not None:
            _check_32_bits(known, owner)
        narrow = ops.cast(labels, "int32")
        return narrow, ops.logical_and(right, ops.equal(ops.cast(narrow, "int64"), labels))
    return labels, right


def class_numbers(
    labels: Any, rows: Any, owner: str, below: int, lowest: int = 0, kind: str = "class"
) -> tuple[Any, Any]:
    """Converts labels that number classes.

    Args:
        labels: `(rows,)` or `(rows, 1)`.
        rows: the tensor `(rows, …)` that they belong to.
        owner: as for `integers`.
        below: number of classes, as an integer, a variable or a tensor ().
        lowest: as for `check_labels`.
        kind: as for `check_labels`.

    Returns:
        int32 `(rows,)`, −1 for every label out of range, and bool `(rows,)`: which of them are in range.

    Raises:
        ValueError: as for `check_labels`, if values are known; or there is not one label per row.
    """
    known = known_values(labels)
    if known is not None:
        most = below if isinstance(below, int) else known_values(below)
        check_labels(known, owner, None if most is None else int(most), lowest, kind)
    labels = _one_a_row(integers(labels, owner), rows, owner)
    below = ops.cast(below, labels.dtype)
    right = ops.logical_and(labels >= lowest, labels < below)
    return ops.cast(ops.where(right, labels, -1), "int32"), right


def nan_where_not(right: Any, values: Any) -> Any:
    """Sets rows of `values` `(rows,)` or `(rows, columns)` without a valid label to NaN; other gradients stay."""
    right = right if len(values.shape) == 1 else ops.expand_dims(right, 1)
    return ops.where(right, values, ops.cast(float("nan"), values.dtype))


def known_values(x: Any) -> np.ndarray | None:
    """`x` as a NumPy array; None if it is symbolic, in a compiled step."""
    if isinstance(x, (np.ndarray, np.generic, list, tuple, int, float)):
        return np.asarray(x)
    try:
        return np.asarray(ops.convert_to_numpy(x))
    except (NotImplementedError, TypeError, ValueError):  # from TensorFlow, JAX and Keras
        return None


def of_several(wrong: np.ndarray) -> str:
    """Text such as `" (and 3 more of 64)"`, to follow the first wrong one."""
    count = int(wrong.sum())
    return "" if count == 1 else f" (and {count - 1} more of {wrong.size})"


def _first_of(wrong, labels, shown=str):
    """Names the first wrong label of `(batch,)`: `"label 9 in row 5 (and 3 more of 64)"`."""
    row = int(np.argmax(wrong))
    return f"label {shown(labels[row])} in row {row}{of_several(wrong)}"


def _no_label(dtype):
    return ops.cast(np.iinfo(dtype).min, dtype)


def _check_shape(shape, owner):
    if getattr(shape, "rank", 0) is None:  # from a data set without known shapes
        return
    shape = tuple(shape)
    if len(shape) == 1 or (len(shape) == 2 and shape[1] in (1, None)):
        return
    remedy = " Turn one-hot rows into numbers: labels.argmax(axis=-1)." if len(shape) == 2 else ""
    raise ValueError(
        f"{owner}: labels must be one whole number per sample, of shape (batch,) or (batch, 1). "
        f"Received: labels of shape {shape}.{remedy}"
    )


def _one_a_row(labels, rows, owner):
    expected, received = rows.shape[0], labels.shape[0]
    if None not in (expected, received) and expected != received:
        raise ValueError(
            f"{owner}: there must be one label per sample. Received: {received} labels for {expected} samples"
        )
    size = ops.shape(rows)[0]
    if None not in (expected, received) or None in (size, ops.shape(labels)[0]):
        return labels  # sizes are unknown in a symbolic call
    # A comparison would broadcast a single label. (TensorFlow optimises away a reshape that should fail.)
    fits = ops.broadcast_to(ops.equal(ops.shape(labels)[0], size), (size,))
    return ops.where(fits, labels, _no_label(keras.backend.standardize_dtype(labels.dtype)))


def _check_32_bits(labels, owner):
    flat = labels.reshape(-1)
    limits = np.iinfo(np.int32)
    wrong = (flat < limits.min) | (flat > limits.max)
    if wrong.any():
        raise ValueError(
            f"{owner}: labels must fit 32 bits, from {limits.min} to {limits.max}. Received: "
            f"{_first_of(wrong, flat)}. Number the identities from 0: "
            "numpy.unique(identities, return_inverse=True)[1]."
        )
