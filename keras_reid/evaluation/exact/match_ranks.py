"""The ranks of the matches, exactly, without a full distance matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.exact.counting import BlockCounter
from keras_reid.evaluation.exact.estimates import with_least_error
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.evaluation.exact.estimates import Estimates
    from keras_reid.evaluation.features import Features
    from keras_reid.evaluation.ground_truth import GroundTruth, ListedMatches


def rank_matches(
    query: Features,
    gallery: Features,
    metric: str,
    truth: GroundTruth,
    memory: int | None = None,
    block_size: int | None = None,
) -> tuple[ListedMatches, NDArray[Any]]:
    """Exact ranks of all matches.

    Args:
        query, gallery: `Features`.
        metric: `"cosine"` or `"euclidean"`.
        truth: their `GroundTruth`.
        memory: bytes to use in addition to the features, at least 64 MiB; None for 1.5 GiB.
        block_size: queries in a block; None takes what fits into `memory`.

    Returns:
        `(listed, ranks)`: `ListedMatches`, and `(matches,)` the rank of each from 1.

    Example:
        >>> from keras_reid.evaluation import Features
        >>> from keras_reid.evaluation.ground_truth import GroundTruth
        >>> query = Features([[1.0, 0.0]], identities=[3], cameras=[0])
        >>> gallery = Features([[0.9, 0.1], [0.0, 1.0], [1.0, 1.0]], identities=[5, 3, 3], cameras=[1, 1, 1])
        >>> listed, ranks = rank_matches(query, gallery, "cosine", GroundTruth(query, gallery, "all"))
        >>> listed.positions.tolist(), ranks.tolist()  # the nearest match first
        ([2, 1], [2, 3])
    """
    distances = Distances(query, gallery, metric, block_size)
    listed: Any = None

    def rank(estimates):
        nonlocal listed
        if listed is None:
            listed = truth.listed(distances)
        parts = -(-len(gallery) // estimates.width)
        with progress("ranking", total=len(query) * parts, unit="queries") as advance:
            return Ranking(estimates, truth, listed).ranks(advance)

    ranks = with_least_error(distances, memory, block_size, rank)
    return listed, ranks


class Ranking:
    """Ranks of every query's matches in a stable sort of the gallery by distance, without the junk.

    A match's rank counts the items before it. Float32 scores (`Estimates`) decide for nearly all items. An item whose
    score is so close to a match's that the error of the scores matters is compared by its exact distance, and if that
    is equal, by its place in the gallery. So the ranks are those of a full stable sort by exact distances. A query with
    so many doubtful items that a whole row of exact distances is cheaper (masses of copies, nearly identical
    embeddings) gets such a row.

    Time: little more than that of the matrix product; about three times as much if nearly all embeddings are alike.

    Args:
        estimates: `Estimates`.
        truth: `GroundTruth`.
        listed: `truth.listed(distances)`.

    Attributes:
        verified: how many items were compared by their exact distances.
    """

    def __init__(self, estimates: Estimates, truth: GroundTruth, listed: ListedMatches) -> None:
        self.estimates, self.distances, self.truth = estimates, estimates.distances, truth
        self.offsets, self.positions, self.values = listed.offsets, listed.positions, listed.values
        self.before = np.zeros(len(self.values), np.int64)
        self.verified = 0

    def ranks(self, advance: Callable[[int], Any] = lambda rows: None) -> NDArray[Any]:
        """`(matches,)` ranks, from 1.

        Args:
            advance: called with the number of queries that have been compared with a part of the gallery.

        Raises:
            InexactScores: from `Part.check`.
        """
        for part in self.estimates.parts():
            crowded = []
            for start, scores in part.blocks():
                crowded.append(start + self._count(part, start, scores))
                advance(len(scores))
            del scores
            self._count_exactly(part, np.concatenate(crowded))
        within = np.arange(len(self.before)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        return self.before + within + 1

    def _count(self, part, start, scores):
        """Adds the items before each match of a block; returns the rows that need exact distances."""
        stop, width = start + len(scores), scores.shape[1]
        offsets = self.offsets[start : stop + 1]
        here = slice(offsets[0], offsets[-1])
        values, columns = self.values[here], self.positions[here] - part.start
        rows = np.repeat(np.arange(len(scores)), np.diff(offsets))
        inside = (columns >= 0) & (columns < width)
        part.check(start + rows[inside], scores[rows[inside], columns[inside]], values[inside])
        # Items of the query's own identity: matches are counted apart, junk not at all.
        own_rows, own_columns = self.truth.same_of(start, stop)
        own_columns = own_columns - part.start
        inside = (own_columns >= 0) & (own_columns < width)
        scores[own_rows[inside], own_columns[inside]] = -2
        counter = BlockCounter(
            scores, offsets - here.start, *part.bounds(start + rows, values), limit=max(64, width // 20)
        )
        self.before[here] += np.where(counter.crowded[rows], 0, counter.above)
        for rows, columns in counter.doubtful:
            exact = self.distances.listed(start + rows, part.start + columns)
            part.check(start + rows, scores[rows, columns], exact)
            self._compare(start + rows, part.start + columns, exact)
        return np.flatnonzero(counter.crowded)

    def _compare(self, queries, items, distances):
        """Adds the items that come before each match by distance, or at equal distance by place.

        Args:
            queries, items, distances: `(k,)`, one entry for each pair; ascending queries.
        """
        if not len(queries):
            return
        self.verified += len(items)
        first, last = int(queries[0]), int(queries[-1]) + 1
        offsets = self.offsets[first : last + 1]
        here = slice(offsets[0], offsets[-1])
        owners = np.repeat(np.arange(first, last), np.diff(offsets))
        # Distances are not negative, so their bits sort as they do.
        bits = np.append(self.values[here], distances).view(np.int32).astype(np.int64)
        order = np.lexsort((np.append(self.positions[here], items), np.append(owners, queries) << 32 | bits))
        is_item = order >= len(owners)
        items_before = np.cumsum(is_item)[~is_item]
        # The matches come in the order in which they are listed. Items of earlier queries do not count.
        earlier = np.searchsorted(queries, owners)
        self.before[here] += items_before - earlier

    def _count_exactly(self, part, queries):
        if not len(queries):
            return
        for start, block in self.distances.select(queries, part.start, part.stop).blocks():
            for index, row in zip(queries[start : start + len(block)], block, strict=True):
                own = self.truth.same(index)
                own = own[slice(*np.searchsorted(own, (part.start, part.stop)))]
                row[own - part.start] = np.inf
                here = slice(*self.offsets[index : index + 2])
                items = np.flatnonzero(row <= self.values[here][-1])
                self._compare(np.full(len(items), index), part.start + items, row[items])
