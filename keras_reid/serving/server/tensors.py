"""The inputs of a signature, and checks that a request's arrays match them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any, Self

import numpy as np

from keras_reid.serving.server.serving_error import invalid


@dataclasses.dataclass(frozen=True)
class Spec:
    """An input or output of a signature.

    Args:
        dtype: NumPy type; `object` for strings, which are arrays of `bytes`.
        shape: None in it stands for any length; None as a whole means that the rank is open.
        type_name: TensorFlow's name of the type.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...] | None
    type_name: str

    @classmethod
    def of(cls, spec: Any) -> Self:
        """Converts a `tf.TensorSpec`."""
        shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
        return cls(np.dtype(spec.dtype.as_numpy_dtype), shape, spec.dtype.name)

    @property
    def is_string(self) -> bool:
        return self.dtype == object

    @property
    def batched(self) -> bool:
        """Whether it takes any number of rows of one shape."""
        return bool(self.shape and self.shape[0] is None and None not in self.shape[1:])

    def accepts(self, shape: Sequence[int]) -> bool:
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(want in (None, have) for want, have in zip(self.shape, shape, strict=True))
        )

    def __str__(self) -> str:
        return f"{self.type_name} of shape {shape_text(self.shape)}"


def shape_text(shape: Sequence[int | None] | None) -> str:
    """The shape as text, such as `(n, 32, 16, 3)`, with n for open lengths."""
    if shape is None:
        return "(any)"
    return f"({', '.join('n' if size is None else str(size) for size in shape)})"


def check_names(names: Collection[str], specs: Collection[str]) -> None:
    """Raises unless a request has exactly the inputs of its signature."""
    if set(names) != set(specs):
        raise invalid(
            f"inputs must be {_listed(specs) or 'none'}. Received: {_listed(names) or 'none'}. "
            "GET …/metadata lists the signatures"
        )


def check_shape(name: str, shape: Sequence[int], spec: Spec, max_rows: int) -> None:
    """Raises unless the input accepts a tensor of this shape. Cheap, so call it before other checks."""
    if not spec.accepts(shape):
        raise invalid(f"{name} must have shape {shape_text(spec.shape)}. Received: {shape_text(shape)}")
    if spec.batched and shape[0] > max_rows:
        raise invalid(
            f"{name} may have at most {max_rows} rows per request. Received: {shape[0]}; send several requests"
        )
    if not spec.batched and math.prod(shape) > 1 << 28:
        raise invalid(f"{name} may have at most {1 << 28} elements. Received: shape {shape_text(shape)}")


def check_finite(name: str, array: np.ndarray) -> None:
    """Raises if a float input contains NaN or infinity, because the answer would be meaningless."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = np.argwhere(~np.isfinite(array))[0]
        raise invalid(f"{name} must be finite. Received: {array[tuple(row)]} at {row.tolist()}")


def row_count(inputs: dict[str, np.ndarray]) -> int:
    """Number of rows of a request whose inputs are all batched; all inputs must agree."""
    counts = {name: len(array) for name, array in inputs.items()}
    if len(set(counts.values())) > 1:
        raise invalid(f"all inputs must have the same number of rows. Received: {counts}")
    return next(iter(counts.values()))


def _listed(names):
    return ", ".join(sorted(map(str, names))[:20])
