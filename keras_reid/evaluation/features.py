"""Embeddings with the identity and the camera of each image."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_reid.utils.errors import UserError

_CHECK_BYTES = 2**24
_HALF = ("embeddings", "maps")  # kept in float16, if they come so


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Embeddings of one subset (query or gallery) with their labels, checked once.

    Args:
        embeddings: `(n, dim)` numbers, raw or L2-normalised. Float32 and float16 arrays are not copied, so they may be
            memory-mapped (`numpy.load("embeddings.npy", mmap_mode="r")`) and larger than memory. Float16 takes half the
            room and is cast to float32 in every computation. Any other type (float64, bfloat16, integers) becomes a
            float32 copy.
        identities: `(n,)` integers. −1 has no special meaning here: readers of data sets drop junk earlier.
        cameras: `(n,)` integers, or None if no camera is known; then only `protocol="all"` can be evaluated.
        maps: `(n, positions, channels)` or `(n, height, width, channels)`, local features of any type as for
            `embeddings`, or None.
        weights: `(n, …)` non-negative weight of each position of `maps`, or None.
        images: `(n,)` integers, the number of each image, or None. The protocol `"leave_one_out"` needs them if query
            and gallery are two objects: the item with the query's number is the query itself.

    Raises:
        UserError: an argument has the wrong shape, length or type, or holds NaN or infinity; the message
            names the argument and the first such row.

    Example:
        >>> import numpy as np
        >>> features = Features(np.eye(3), identities=[0, 1, 1], cameras=[0, 0, 1])
        >>> len(features), features.dim
        (3, 3)
    """

    embeddings: np.ndarray
    identities: np.ndarray
    cameras: np.ndarray | None
    maps: np.ndarray | None = None
    weights: np.ndarray | None = None
    images: np.ndarray | None = None

    def __post_init__(self):
        embeddings = _numbers("embeddings", self.embeddings)
        if embeddings.ndim != 2 or embeddings.shape[1] == 0:
            raise UserError(
                f"`embeddings` must have the shape (n, dim). Received: shape={embeddings.shape}. "
                "Pass one row for each image."
            )
        n = len(embeddings)
        checked = {"embeddings": embeddings, "identities": _labels("identities", self.identities, n)}
        for name in ("cameras", "images"):
            if getattr(self, name) is not None:
                checked[name] = _labels(name, getattr(self, name), n)
        for name in ("maps", "weights"):
            value = getattr(self, name)
            if value is not None:
                checked[name] = _numbers(name, value)
                _check_length(name, checked[name], n)
        if self.weights is not None and (checked["weights"] < 0).any():
            raise UserError("`weights` must not be negative. Pass non-negative weights of the positions.")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, rows: slice | ArrayLike) -> Features:
        """The `Features` of some rows, by a slice, their positions or a mask."""
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        taken: dict[str, Any] = {name: None if part is None else part[rows] for name, part in parts.items()}
        return Features(**taken)

    @property
    def dim(self) -> int:
        """Length of one embedding."""
        return self.embeddings.shape[1]


def _numbers(name, value):
    array = np.asarray(value)
    try:
        if array.dtype.kind in "cmM":  # numpy would drop the imaginary part, and count days
            raise TypeError
        # What does not fit into float32 becomes infinite, and is refused below.
        with np.errstate(over="ignore"):
            if name not in _HALF or array.dtype != np.float16:
                array = array.astype(np.float32, copy=False)
    except (TypeError, ValueError):
        raise UserError(f"`{name}` must hold real numbers. Received: dtype={array.dtype}.") from None
    step = max(1, _CHECK_BYTES * len(array) // max(1, array.nbytes)) if array.ndim else 1
    for start in range(0, len(array) if array.ndim else 0, step):
        rows = array[start : start + step]
        bad = ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        if bad.any():
            row = start + int(bad.argmax())
            raise UserError(
                f"`{name}` must be finite. Received: NaN or infinity, first in row {row}. "
                "Did the training diverge, or was an image broken?"
            )
    return array


def _labels(name, value, n):
    array = np.asarray(value)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise UserError(
            f"`{name}` must be one integer for each row. Received: shape={array.shape}, dtype={array.dtype}. "
            "Number names first, for example with numpy.unique(names, return_inverse=True), "
            "query and gallery together."
        )
    _check_length(name, array, n)
    return array.astype(np.int64, copy=False)


def _check_length(name, array, n):
    if array.ndim == 0 or len(array) != n:
        received = array.shape[0] if array.ndim else "a single number"
        raise UserError(f"`{name}` must be as long as `embeddings`. Received: {received} for {n} embeddings.")
