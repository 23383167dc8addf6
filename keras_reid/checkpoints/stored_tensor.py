"""Tensors as PyTorch stores them: a window on a flat storage."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from keras_reid.checkpoints.problems import DamagedFile

_MOST_DIMENSIONS = 64  # numpy's own limit; PyTorch's is the same
_MOST_REPEATED = 2**28  # values, of a tensor that has more of them than its storage: 1 GiB


def is_size(number: Any) -> bool:
    """Whether something from a file can be a size, an offset or a stride."""
    return type(number) is int and 0 <= number < 2**63


@dataclasses.dataclass(frozen=True, slots=True)
class StorageKind:
    """The type of a storage's values, as `torch.FloatStorage`.

    Args:
        name: PyTorch's name of the type.
        code: numpy's code of the values, in little-endian order.
        upper_half: Whether the values are the upper halves of float32 values (bfloat16), which numpy does not
            have.
    """

    name: str
    code: str
    upper_half: bool = False

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return np.dtype(self.code).itemsize

    def values(self, data: bytes, byte_order: str = "little") -> np.ndarray:
        """The values in a part of a file as a flat, read-only array; bfloat16 as float32.

        Args:
            data: The part's bytes.
            byte_order: "little" or "big".
        """
        order = np.dtype(self.code).newbyteorder("<" if byte_order == "little" else ">")
        values = np.frombuffer(data, order, len(data) // self.itemsize) if data else np.zeros(0, order)
        values = values.astype(order.newbyteorder("="), copy=False)
        if self.upper_half:
            values = (values.astype("uint32") << 16).view("float32")
        values.flags.writeable = False
        return values


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """A part of a file, or a view of such a part.

    Args:
        key: What the file calls it.
        kind: `StorageKind` of its values.
        start: Where it begins in the part called `key`, in values.
        length: Number of its values.
    """

    key: str
    kind: StorageKind
    start: int
    length: int

    def window(self, values: np.ndarray) -> np.ndarray:
        """Its values, out of all values of the part called `key`.

        Raises:
            DamagedFile: if it is longer than its part of the file.
        """
        end = self.start + self.length
        if self.length and end > len(values):
            size = self.kind.itemsize
            raise DamagedFile(
                f"storage {self.key!r} should have {end * size} bytes and has {len(values) * size}"
            )
        return values[self.start : end]


@dataclasses.dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that has not been read yet.

    Args:
        storage: The `Storage` that it is a window on.
        offset: Position of its first value in the storage.
        shape: Its shape.
        strides: Steps in the storage for each dimension, in values.
        negative: Whether its values are those of the storage with the opposite sign, as the imaginary part of a
            conjugate is kept.
    """

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple
    negative: bool = False

    @classmethod
    def checked(
        cls, storage: Any, offset: Any, shape: Any, strides: Any, negative: bool = False
    ) -> StoredTensor:
        """The tensor, if the arguments, which come from a file, are of the right types."""
        if (
            not isinstance(storage, Storage)
            or not isinstance(shape, tuple)
            or not isinstance(strides, tuple)
            or not len(shape) == len(strides) <= _MOST_DIMENSIONS
            or not all(map(is_size, (offset, *shape, *strides)))
        ):
            raise DamagedFile("a tensor has an invalid storage, offset, shape or strides")
        if negative and np.dtype(storage.kind.code).kind != "f" and not storage.kind.upper_half:
            raise DamagedFile(f"a tensor of type {storage.kind.name} is marked as negative")
        return cls(storage, offset, shape, strides, negative)

    def array(self, values: np.ndarray) -> np.ndarray:
        """The tensor as a read-only view of its storage's values, which are negated where it is negative.

        Raises:
            DamagedFile: if the window reaches beyond the storage; or if it repeats the storage, as an expanded tensor
                does, and has more than 2²⁸ values. Otherwise a few bytes could ask for any amount of memory.
        """
        count = math.prod(self.shape)
        if count == 0:
            try:
                return np.zeros(self.shape, values.dtype)
            except ValueError as error:  # the other dimensions are too large even so
                raise DamagedFile(f"an empty tensor has the shape {self.shape}") from error
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((size - 1) * stride for size, stride in steps)
        if count > max(len(values), _MOST_REPEATED):
            raise DamagedFile(
                f"a tensor of shape {self.shape} repeats its storage of {len(values)} values too often: it may have "
                f"{_MOST_REPEATED}"
            )
        if last >= len(values):
            raise DamagedFile(
                f"a tensor of shape {self.shape} and strides {self.strides} from {self.offset} on does not fit "
                f"into its storage of {len(values)} values"
            )
        size = values.itemsize
        return np.ndarray(
            self.shape, values.dtype, values, self.offset * size, [stride * size for stride in self.strides]
        )
