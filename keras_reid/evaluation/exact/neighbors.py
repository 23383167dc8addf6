"""The best gallery items of each query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.exact.estimates import with_least_error
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import in_threads

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features


def nearest(
    query: Features,
    gallery: Features,
    k: int = 10,
    metric: str = "cosine",
    protocol: str = "cross_camera",
    block_size: int | None = None,
    memory: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest gallery items of each query, nearest first, junk left out.

    Equal distances keep the order of the gallery, as in `evaluate`. Distances are exact; float32 scores choose the
    items whose distances are computed. Time: that of the float32 matrix product and a few passes over it. Memory: see
    `memory`. The gallery may be memory-mapped and have millions of items.

    Args:
        query: `Features`.
        gallery: `Features`. If it is the same object as `query`, no item is its own neighbour.
        k: number of items wanted.
        metric: `"cosine"` or `"euclidean"`.
        protocol: `"cross_camera"`, `"all"` or `"leave_one_out"`, as in `evaluate`.
        block_size: queries in a block; None takes what fits into `memory`.
        memory: bytes to use in addition to the features, at least 64 MiB; None for 1.5 GiB.

    Returns:
        `(indices, distances)`: positions in the gallery, `(queries, min(k, gallery))` int64, and float32 of
        the same shape. If junk leaves fewer items, a row ends with index −1 and distance infinity.

    Raises:
        UserError: as `evaluate`, and for k < 1.

    Example:
        >>> from keras_reid.evaluation import Features
        >>> query = Features([[1.0, 0.0]], identities=[3], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [1.0, 0.0]], identities=[5, 3], cameras=[1, 1])
        >>> nearest(query, gallery, k=1)[0].tolist()
        [[1]]
    """
    if k < 1:
        raise UserError(f"`k` must be at least 1. Received: k={k}.")
    truth = GroundTruth(query, gallery, protocol)
    distances = Distances(query, gallery, metric, block_size)
    k = min(k, len(gallery))
    return with_least_error(
        distances, memory, block_size, lambda estimates: _Search(estimates, truth, k).run()
    )


class _Search:
    def __init__(self, estimates, truth, k):
        self.estimates, self.distances, self.truth, self.k = estimates, estimates.distances, truth, k
        n = self.distances.shape[0]
        self.indices = np.full((n, k), -1, np.int64)
        self.values = np.full((n, k), np.inf, np.float32)

    def run(self):
        for part in self.estimates.parts():
            crowded = []
            for start, scores in part.blocks():
                in_threads(self._search, len(scores), part, start, scores, crowded)
            del scores
            if crowded:
                self._search_exactly(part, np.sort(crowded))
        return self.indices, self.values

    def _search(self, first, last, part, start, scores, crowded):
        for row in range(first, last):
            index, line = start + row, scores[row]
            line[self._junk(part, index)] = -np.inf
            found = self._candidates(part, index, line)
            if len(found) > max(64, 4 * self.k, len(line) // 20):
                crowded.append(index)
                continue
            exact = self.distances.table(slice(index, index + 1), part.start + found)[0]
            part.check(np.full(len(found), index), line[found], exact)
            self._merge(index, part.start + found, exact)

    def _candidates(self, part, index, line):
        """All items of the part that, by their scores, may be among the k nearest."""
        farthest = self.values[index, -1]
        if np.isinf(farthest):
            # Fewer than k items are known: the farthest of the k best by score is at least as far as the k-th nearest.
            best = np.argpartition(line, -self.k)[-self.k :] if self.k < len(line) else np.arange(len(line))
            if np.isinf(line[best]).any() or len(best) < self.k:
                return np.flatnonzero(line > -np.inf)
            farthest = self.distances.table(slice(index, index + 1), part.start + best)[0].max()
        low, _ = part.bounds(np.array([index]), np.array([farthest]))
        return np.flatnonzero(line >= low)

    def _junk(self, part, index):
        junk = self.truth[index][1]
        return junk[slice(*np.searchsorted(junk, (part.start, part.stop)))] - part.start

    def _merge(self, index, items, distances):
        distances = np.append(self.values[index], distances)
        items = np.append(self.indices[index], items)
        # Items come in gallery order, after those of earlier parts: a stable sort keeps the order.
        order = np.argsort(distances, kind="stable")[: self.k]
        self.indices[index], self.values[index] = items[order], distances[order]

    def _search_exactly(self, part, queries):
        for start, block in self.distances.select(queries, part.start, part.stop).blocks():
            for index, row in zip(queries[start : start + len(block)], block, strict=True):
                row[self._junk(part, index)] = np.inf
                k = min(self.k, len(row))
                # A partition leaves the order of equal distances open, so take all items that are not farther.
                items = np.flatnonzero(row <= np.partition(row, k - 1)[k - 1])
                items = items[np.isfinite(row[items])]
                self._merge(index, part.start + items, row[items])
