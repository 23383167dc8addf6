"""The k-reciprocal neighbours of every image as a sparse matrix of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.rerank.sparse_rows import SparseRows

if TYPE_CHECKING:
    from keras_reid.evaluation.rerank.neighbor_lists import NeighborLists
    from keras_reid.evaluation.rerank.points import Points

_NUMBERS_A_TURN = 2**24


def reciprocal_weights(points: Points, lists: NeighborLists, k1: int) -> SparseRows:
    """Weights of the k-reciprocal neighbours of every point, expanded by those of its neighbours.

    With `N(i, k)` the k nearest of i, itself among them: `R(i, k) = {j ∈ N(i, k): i ∈ N(j, k)}`. To
    `R(i, k1 + 1)` comes every `R(j, round(k1 / 2) + 1)` of a member j of which more than two thirds are in
    `R(i, k1 + 1)`. A member's weight is `exp(−d² / max d²)`; the weights of a point sum to 1.

    Args:
        points: `Points`.
        lists: `NeighborLists` of at least k1 + 1 (or all) points.
        k1: neighbours in a list, the point itself not counted.

    Returns:
        `SparseRows`, N × N.
    """
    n = len(points)
    neighbors = lists.indices[:, : k1 + 1]
    near = neighbors[:, : round(k1 / 2) + 1]
    mutual, near_mutual = _mutual(neighbors), _mutual(near)
    # −2 here and −1 in `own` stand for what is not a member: they never match, and are dropped after sorting.
    near_sets = np.where(near_mutual, near, -2)
    counts, columns, values = [], [], []
    width = neighbors.shape[1]
    for rows in _turns(n, width * near.shape[1] * width):
        own = np.where(mutual[rows], neighbors[rows], -1)
        theirs = near_sets[neighbors[rows]]
        shared = (theirs[..., None] == own[:, None, None, :]).any(axis=-1).sum(axis=-1)
        accepted = mutual[rows] & (3 * shared > 2 * near_mutual.sum(axis=1)[neighbors[rows]])
        theirs = np.where(accepted[..., None], theirs, -1).reshape(len(own), -1)
        itself = np.arange(rows.start, rows.start + len(own), dtype=np.int32)[:, None]
        # The point itself is its own neighbour even among more copies of it than a list holds.
        members = np.concatenate([own, itself, theirs], axis=1)
        order = np.argsort(members, axis=1, kind="stable")
        members = np.take_along_axis(members, order, axis=1)
        new = members >= 0
        new[:, 1:] &= members[:, 1:] != members[:, :-1]
        row, place = np.nonzero(new)
        column, order = members[row, place], order[row, place]
        # The distances of neighbours are known; the others are computed.
        known = order < width
        squares = np.empty(len(row), np.float32)
        squares[known] = lists.squares[rows][row[known], order[known]]
        squares[~known] = 2 * points.half_distances(rows.start + row[~known], column[~known])
        weights = np.exp(-squares / _not_zero(lists.largest[rows])[row])
        sums = np.bincount(row, weights, minlength=len(own))
        counts.append(np.bincount(row, minlength=len(own)))
        columns.append(column)
        values.append((weights / sums[row]).astype(np.float32))
    return SparseRows.from_counts(*(np.concatenate(parts) for parts in (counts, columns, values)))


def averaged(weights: SparseRows, neighbors: NDArray[Any]) -> SparseRows:
    """Each point's weights replaced by the mean of those of some neighbours.

    Args:
        weights: `SparseRows`, N × N.
        neighbors: `(N, k)` int32, the point itself among them.

    Returns:
        `SparseRows`, N × N.
    """
    n, k = neighbors.shape
    if k == 1:
        return weights
    counts, columns, values = [], [], []
    for rows in _turns(n, 4 * int(weights.counts.mean() * k)):
        size = len(neighbors[rows])
        entries, lengths = weights.entries_of(neighbors[rows].reshape(-1))
        row = np.repeat(np.arange(size), lengths.reshape(size, k).sum(axis=1))
        keys = row * n + weights.columns[entries]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        sums = np.add.reduceat(weights.values[entries][order], first)
        counts.append(np.bincount(keys[first] // n, minlength=size))
        columns.append((keys[first] % n).astype(np.int32))
        values.append(sums / np.float32(k))
    return SparseRows.from_counts(*(np.concatenate(parts) for parts in (counts, columns, values)))


def _mutual(neighbors):
    """`(N, k)` bool: whether a point is also in the list of its neighbour."""
    result = np.empty(neighbors.shape, bool)
    for rows in _turns(len(neighbors), neighbors.shape[1] ** 2):
        itself = np.arange(rows.start, rows.start + len(neighbors[rows]))[:, None, None]
        result[rows] = (neighbors[neighbors[rows]] == itself).any(axis=2)
    return result


def _turns(n, numbers_a_row):
    rows = max(1, _NUMBERS_A_TURN // numbers_a_row)
    for start in range(0, n, rows):
        yield slice(start, start + rows)


def _not_zero(values):
    """Ones in place of zeros: if all points are the same, every distance is 0, and 0 / 1 keeps it."""
    return np.where(values == 0, 1, values)
