"""Labels: whole numbers, one a sample, of identities, classes, clusters or cameras.

Arrays and eager tensors are checked in NumPy, and what is wrong with them is said. In a compiled step nothing can be
raised: there the functions also give which rows have a right label, and their callers make the others NaN. No label is
cast to a narrower type before it is compared.
"""

import keras
import numpy as np
from keras import ops

# From here on a type no longer tells neighbouring whole numbers apart.
_EXACT_BELOW = {"bfloat16": 2**8, "float16": 2**11, "float32": 2**24, "float64": 2**53}
_WIDE = ("int64", "uint32", "uint64")
# What `integers` makes of a float that is no whole number: the smallest integer of the type.
NO_LABELS = [np.iinfo(dtype).min for dtype in ("int32", "int64")]


def check_labels(labels, owner, below=None, lowest=0, kind="class"):
    """Raises ValueError unless an array holds one label a sample.

    Args:
        labels: NumPy array.
        owner: whose labels they are, for the message.
        below: labels are from `lowest` up to, not including, this; None for any whole number.
        lowest: 0, or −1 where that stands for "none".
        kind: what a label numbers: "class" or "cluster".

    Raises:
        ValueError: with the first wrong label, its row and how many there are.
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
            "Give integers: labels.astype('int32')."
        )
    if below is None:
        return
    wrong = (flat < lowest) | (flat >= below)
    if wrong.any():
        raise ValueError(
            f"{owner}: labels must be {range_in_words(below, kind)}{', or -1 for none' if lowest else ''}. "
            f"Received: {_first_of(wrong, flat, int)}. Number the identities from 0, "
            "numpy.unique(identities, return_inverse=True)[1], and make as many classes as there are."
        )


def range_in_words(below, kind="class"):
    """`"class numbers from 0 to 7, for 8 classes"`."""
    plural = f"{kind}es" if kind == "class" else f"{kind}s"
    return f"{kind} numbers from 0 to {below - 1}, for {below} {plural if below != 1 else kind}"


def integers(labels, owner):
    """Labels of any type as int32 or int64 `(batch,)`, which hold them all.

    A float that is no whole number becomes the smallest integer of the type, which is no label.

    Args:
        labels: `(batch,)` or `(batch, 1)`.
        owner: whose labels they are, for messages.

    Raises:
        ValueError: if the shape or type is another, or, where values are known, one is no whole number.
    """
    known = known_values(labels)
    if known is not None:
        check_labels(known, owner)
        known = known if known.dtype.kind in "biu" else known.astype(np.int64)
        labels = ops.convert_to_tensor(known)
        if keras.backend.standardize_dtype(labels.dtype) == "int32":  # JAX has no wider one
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


def whole_numbers(labels, rows, owner, bits=64):
    """Labels that are only compared with each other: any whole numbers.

    Args:
        labels: `(rows,)` or `(rows, 1)`.
        rows: the tensor `(rows, …)` that they belong to.
        owner: as for `integers`.
        bits: 32 where they are kept as int32.

    Returns:
        int32 or int64 `(rows,)`, and bool `(rows,)`: which of them are labels.

    Raises:
        ValueError: as `integers`, or where there is not one label a row, or one does not fit.
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


def class_numbers(labels, rows, owner, below, lowest=0, kind="class"):
    """Labels that number classes.

    Args:
        labels: `(rows,)` or `(rows, 1)`.
        rows: the tensor `(rows, …)` that they belong to.
        owner: as for `integers`.
        below: number of classes, also as a variable or tensor ().
        lowest: as for `check_labels`.
        kind: as for `check_labels`.

    Returns:
        int32 `(rows,)`, −1 for every label out of the range, and bool `(rows,)`: which of them are in the range.

    Raises:
        ValueError: as `check_labels`, where values are known, and where there is not one label a row.
    """
    known = known_values(labels)
    if known is not None:
        most = below if isinstance(below, int) else known_values(below)
        check_labels(known, owner, None if most is None else int(most), lowest, kind)
    labels = _one_a_row(integers(labels, owner), rows, owner)
    below = ops.cast(below, labels.dtype)
    right = ops.logical_and(labels >= lowest, labels < below)
    return ops.cast(ops.where(right, labels, -1), "int32"), right


def nan_where_not(right, values):
    """`values` `(rows,)` or `(rows, columns)`, NaN in the rows without a right label. Gradients of the others stay."""
    right = right if len(values.shape) == 1 else ops.expand_dims(right, 1)
    return ops.where(right, values, ops.cast(float("nan"), values.dtype))


def known_values(x):
    """`x` as a NumPy array; None where it is a symbol of a compiled step."""
    if isinstance(x, (np.ndarray, np.generic, list, tuple, int, float)):
        return np.asarray(x)
    try:
        return np.asarray(ops.convert_to_numpy(x))
    except (NotImplementedError, TypeError, ValueError):  # of TensorFlow, JAX and Keras
        return None


def of_several(wrong):
    """`" (and 3 more of 64)"`, after the first of them was named."""
    count = int(wrong.sum())
    return "" if count == 1 else f" (and {count - 1} more of {wrong.size})"


def _first_of(wrong, labels, shown=str):
    """`"label 9 in row 5 (and 3 more of 64)"`: the first wrong one of labels `(batch,)`."""
    row = int(np.argmax(wrong))
    return f"label {shown(labels[row])} in row {row}{of_several(wrong)}"


def _no_label(dtype):
    return ops.cast(np.iinfo(dtype).min, dtype)


def _check_shape(shape, owner):
    if getattr(shape, "rank", 0) is None:  # of a data set that does not say
        return
    shape = tuple(shape)
    if len(shape) == 1 or (len(shape) == 2 and shape[1] in (1, None)):
        return
    remedy = " Turn one-hot rows into numbers: labels.argmax(axis=-1)." if len(shape) == 2 else ""
    raise ValueError(
        f"{owner}: labels must be one whole number a sample, of shape (batch,) or (batch, 1). "
        f"Received: labels of shape {shape}.{remedy}"
    )


def _one_a_row(labels, rows, owner):
    expected, received = rows.shape[0], labels.shape[0]
    if None not in (expected, received) and expected != received:
        raise ValueError(
            f"{owner}: there must be one label a sample. Received: {received} labels for {expected} samples"
        )
    size = ops.shape(rows)[0]
    if None not in (expected, received) or None in (size, ops.shape(labels)[0]):
        return labels  # in a symbolic call no size is known
    # A comparison would repeat a single label. (TensorFlow removes a reshaping that should fail in the step.)
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
