"""Sparse matrices by rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class SparseRows:
    """A matrix of which only the entries that are not zero are kept, row after row.

    Args:
        starts: `(rows + 1,)` int64: row r holds the entries from `starts[r]` to `starts[r + 1]`.
        columns: `(entries,)` int32, ascending within a row.
        values: `(entries,)` float32.

    Example:
        >>> import numpy as np
        >>> rows = SparseRows.from_counts([1, 0, 2], np.array([0, 1, 2]), np.array([5.0, 6.0, 7.0]))
        >>> rows.transposed(3).columns.tolist()
        [0, 2, 2]
    """

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @classmethod
    def from_counts(cls, counts: NDArray[Any], columns: NDArray[Any], values: NDArray[Any]) -> SparseRows:
        """From the number of entries of each row."""
        return cls(np.concatenate([[0], np.cumsum(counts)]), columns, values)

    @property
    def counts(self) -> NDArray[Any]:
        """`(rows,)` number of entries of each row."""
        return np.diff(self.starts)

    def rows(self, start: int, stop: int) -> SparseRows:
        """The rows from `start` to `stop` as another matrix."""
        first, last = self.starts[start], self.starts[stop]
        return SparseRows(
            self.starts[start : stop + 1] - first, self.columns[first:last], self.values[first:last]
        )

    def entries_of(self, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Positions of the entries of some rows, row after row, and how many each row has."""
        counts = self.counts[rows]
        offsets = np.cumsum(counts) - counts
        positions = np.arange(counts.sum()) + np.repeat(self.starts[rows] - offsets, counts)
        return positions, counts

    def transposed(self, num_columns: int) -> SparseRows:
        """The same matrix by columns: `rows(c, c + 1)` of the result is column c."""
        order = np.argsort(self.columns, kind="stable")
        owners = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)
        counts = np.bincount(self.columns, minlength=num_columns)
        return SparseRows.from_counts(counts, owners[order], self.values[order])
