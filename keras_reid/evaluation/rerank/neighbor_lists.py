"""The nearest neighbours of every point of a set within the set, without its N × N matrix.

1. The points are dealt out to strips, as cards to players: strip s holds the points s, s + strips, s + 2 · strips, …
2. A tile holds the scores of all pairs of two strips, by the float32 product. Each tile is made once, and serves the
   lists of both strips: by rows those of the one, by columns those of the other.
3. A point keeps as candidates what scores above its threshold: the k-th best score of its first tile, later that of its
   candidates so far. As every strip is a fair sample of all points, few pass.
4. When a strip has met all others, the best k of each point's candidates are its list. Scores that lie so near each
   other that rounding may decide between them are computed exactly.

A worked example: k = 2, and six points on a line, dealt out to two strips.

    position      0    1    2    3    4    5
    at            0    1    3    7    8    20
    strip         0    1    0    1    0    1

    tile of strips 0 and 0: the squared distances of point 0 are 0 (itself), 9 (point 2) and 64 (point 4). Its
    candidates are the points 0 and 2, and its threshold is 9.
    tile of strips 0 and 1: from point 0 the points 1, 3 and 5 are at 1, 49 and 400. Only point 1 passes, so that point
    0's list is (0, 1). By columns, point 1 meets the points 0, 2 and 4 at 1, 4 and 49: its candidates are 0 and 2.
    tile of strips 1 and 1: point 1 meets itself at 0, and the points 3 and 5 too late. Its list is (1, 0).

A function that says the same in a few lines: tests/evaluation/rerank/reference.py.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.evaluation.rerank.points import Points

_TILE = 2048
# Candidates beyond k: the float32 product may have the wrong order, which exact distances put right.
_SPARE = 4
# Two scores nearer than this, relative to the squared norms, may be in the wrong order.
_ROUNDING = 16 * np.finfo(np.float32).eps


def check_counts(**counts: Any) -> None:
    """Raises `UserError` unless each argument, such as `k=5`, is a whole number of at least 1."""
    for name, value in counts.items():
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
            raise UserError(f"`{name}` must be a whole number, at least 1. Received: {name}={value!r}.")


@dataclasses.dataclass(frozen=True, eq=False)
class NeighborLists:
    """What `neighbor_lists` returns.

    Args:
        indices: `(N, k)` int32, nearest first, each point itself among them.
        squares: `(N, k)` float32, squared distances.
        largest: `(N,)` float32, squared distance of the farthest point.
    """

    indices: np.ndarray
    squares: np.ndarray
    largest: np.ndarray


def neighbor_lists(
    points: Points, k: int, visit: Callable[[slice, slice, NDArray[np.float32]], Any] | None = None
) -> NeighborLists:
    """The k nearest points of every point (itself among them) and the distance of the farthest.

    Points at equal distances come in the order of their positions. The distances are those of the embeddings as given,
    in float64 and rounded to float32 (`Points.exact_half_distances`). One exception: the float32 product chooses k + 4
    candidates, so if more than four beyond the k-th are within its error of it (2e-6 of the squared lengths), any of
    them may take the place of an earlier one.

    Time: N² · dim multiply-adds, half of the full matrix product, and about 3 ns for each pair. Memory in addition to
    the result: tens of megabytes, for about 100 candidates of each point.

    Args:
        points: `Points`.
        k: length of a list; with fewer points, all of them.
        visit: called as `visit(left, right, scores)` for each tile: slices of the positions of its points, and −½
            squared distances by the float32 product. The array is valid during the call only.

    Returns:
        `NeighborLists`.

    Example:
        >>> neighbor_lists(Points.of(query, gallery, "cosine"), 21).indices  # doctest: +SKIP
    """
    n = len(points)
    k = min(k, n)
    keep = min(k + _SPARE, n)
    tile = max(_TILE, 4 * keep)
    # Strip s holds the points s, s + strips, s + 2 · strips, …: each is a fair sample even of a set that is sorted
    # by identity, so that the first yields thresholds which few candidates pass.
    strips = -(-n // tile)
    scores = np.empty(tile * tile, np.float32)
    waiting: list[Any] = [_Strip(first, strips, n, keep) for first in range(strips)]
    result = NeighborLists(np.empty((n, k), np.int32), np.empty((n, k), np.float32), np.empty(n, np.float32))
    with (
        progress("neighbours", total=strips * (strips + 1) // 2, unit="tiles") as advance,
        concurrent.futures.ThreadPoolExecutor(1) as helper,
    ):
        for i, strip in enumerate(waiting):
            for other in waiting[i:]:
                shape = (strip.rows, other.rows)
                part = scores[: shape[0] * shape[1]].reshape(shape)
                np.matmul(points.vectors[strip.slice], points.vectors[other.slice].T, out=part)
                part -= points.half_squares[strip.slice][:, None]
                part -= points.half_squares[other.slice]
                added = helper.submit(strip.add, part, other, axis=1)
                if other is not strip:
                    other.add(part, strip, axis=0)
                if visit:
                    visit(strip.slice, other.slice, part)
                added.result()
                advance()
            indices, best = strip.best()
            _order_exactly(points, np.arange(n, dtype=np.int32)[strip.slice], indices, best)
            result.indices[strip.slice] = indices[:, :k]
            result.squares[strip.slice] = np.maximum(-2 * best[:, :k], 0)
            result.largest[strip.slice] = np.maximum(-2 * strip.lowest, 0)
            waiting[i] = None
    return result


class _Strip:
    """Every `strips`-th point, and the candidates for their lists so far. A score is −½ squared distance."""

    def __init__(self, first, strips, n, keep):
        self.first, self.step, self.keep = first, strips, keep
        self.slice = slice(first, None, strips)
        self.rows = len(range(first, n, strips))
        self.threshold = np.full(self.rows, -np.inf, np.float32)
        self.lowest = np.full(self.rows, np.inf, np.float32)
        self.candidates, self.count = [], 0

    def add(self, scores, other, axis):
        """Takes the scores of its points with those of another strip, whose points are along `axis`."""
        np.minimum(self.lowest, scores.min(axis=axis), out=self.lowest)
        if self.count == 0 and scores.shape[axis] > self.keep:
            last = np.take(np.partition(scores, -self.keep, axis=axis), -self.keep, axis=axis)
            self.threshold = np.nextafter(last, np.float32(-np.inf))
        where = np.flatnonzero(scores > np.expand_dims(self.threshold, axis))
        rows, columns = np.divmod(where, scores.shape[1])
        if axis == 0:
            rows, columns = columns, rows
        columns = (other.first + other.step * columns).astype(np.int32)
        self.candidates.append((rows.astype(np.int32), columns, scores.reshape(-1)[where]))
        self.count += len(where)
        if self.count > 4 * self.keep * self.rows:
            self._prune()

    def best(self):
        """`(indices, scores)`, `(rows, keep)` each, best first."""
        self._prune()
        ((_, columns, scores),) = self.candidates
        return columns.reshape(self.rows, self.keep), scores.reshape(self.rows, self.keep)

    def _prune(self):
        rows, columns, scores = (np.concatenate(parts) for parts in zip(*self.candidates, strict=True))
        # By row, and best first within a row: the bits of positive floats sort as the floats do. (Equal scores
        # are put in order at the end.)
        penalties = np.maximum(-scores, 0).view(np.uint32)
        order = np.argsort(rows.astype(np.uint64) << np.uint64(32) | penalties)
        counts = np.bincount(rows, minlength=self.rows)
        starts = np.cumsum(counts) - counts
        order = order[np.arange(len(order)) - np.repeat(starts, counts) < self.keep]
        self.candidates = [(rows[order], columns[order], scores[order])]
        self.count = len(order)
        full = counts >= self.keep
        last = (np.cumsum(np.minimum(counts, self.keep)) - 1)[full]
        self.threshold[full] = scores[order][last]


def _order_exactly(points, rows, indices, scores):
    """Corrects, in place, the order of neighbours that the rounding of the matrix product may have swapped.

    That rounding depends on the place of a row in the matrix. Without the correction, the order of the images could
    decide which of two neighbours comes first.
    """
    scores[indices == rows[:, None]] = 0
    scale = points.half_squares[rows] + points.half_squares.max()
    close = np.flatnonzero((scores[:, :-1] - scores[:, 1:] <= _ROUNDING * scale[:, None]).any(axis=1))
    if len(close) == 0:
        return
    near = indices[close]
    exact = -points.exact_half_distances(np.repeat(rows[close], near.shape[1]), near.reshape(-1)).reshape(
        near.shape
    )
    order = np.lexsort((near, -exact), axis=1)
    indices[close] = np.take_along_axis(near, order, axis=1)
    scores[close] = np.take_along_axis(exact, order, axis=1)
