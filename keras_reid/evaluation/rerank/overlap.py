"""How much of their neighbours' weights two points share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from keras_reid.evaluation.rerank.sparse_rows import SparseRows

_NUMBERS_A_TURN = 2**22


def overlaps(
    weights: SparseRows, by_column: SparseRows, num_columns: int
) -> Iterator[tuple[int, int, NDArray[Any], NDArray[np.float64]]]:
    """Yields the sums `Σ_c min(V_ic, W_jc)` of the rows i of one matrix and the rows j of another.

    Time: an addition for each pair of entries in one column, and a pass over rows × `num_columns`. Memory: about 200
    MB; the number of rows that are taken at a time is chosen for that.

    Args:
        weights: `SparseRows` V.
        by_column: `SparseRows`, W by columns: `W.transposed(…)`.
        num_columns: rows of W.

    Yields:
        `(first, last, cells, sums)`: of the rows from `first` to `last` of V the positions `(i − first) · num_columns +
        j`, ascending, at which the sum is not 0, and these sums, float64, at most 1.

    Example:
        >>> for first, last, cells, sums in overlaps(weights, weights.transposed(n), n):  # doctest: +SKIP
        ...     jaccard = 1 - sums / (2 - sums)
    """
    size = len(weights.counts)
    owners = np.repeat(np.arange(size), weights.counts)
    pairs = np.bincount(owners, by_column.counts[weights.columns], minlength=size)
    turns = np.cumsum(pairs + num_columns) // _NUMBERS_A_TURN
    edges = [0, *(np.flatnonzero(np.diff(turns)) + 1), size]
    for first, last in itertools.pairwise(edges):
        turn = weights.rows(first, last)
        entries, counts = by_column.entries_of(turn.columns)
        shared = np.minimum(by_column.values[entries], np.repeat(turn.values, counts))
        cells = np.repeat(owners[weights.starts[first] : weights.starts[last]] - first, counts) * num_columns
        cells += by_column.columns[entries]
        sums = np.bincount(cells, shared, minlength=(last - first) * num_columns)
        cells = np.flatnonzero(sums)
        yield first, last, cells, np.minimum(sums[cells], 1)
