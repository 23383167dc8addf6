"""k-reciprocal re-ranking."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.distances import Blockwise, Distances
from keras_reid.evaluation.rerank.kept_scores import KeptScores
from keras_reid.evaluation.rerank.neighbor_lists import check_counts, neighbor_lists
from keras_reid.evaluation.rerank.overlap import overlaps
from keras_reid.evaluation.rerank.points import Points
from keras_reid.evaluation.rerank.reciprocal_weights import averaged, reciprocal_weights
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features
    from keras_reid.evaluation.rerank.sparse_rows import SparseRows

_TURN_BYTES = 128 * 2**20
# Distances of query and gallery that are computed in the search for neighbours are kept, up to this size.
_KEPT_BYTES = 256 * 2**20


def k_reciprocal_rerank(
    query: Features,
    gallery: Features,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    metric: str = "cosine",
    block_size: int | None = None,
) -> RerankedDistances:
    """Distances that also count how many neighbours two images share.

    `(1 − λ) · jaccard + λ · d² / max d²`: the Jaccard distance `1 − Σ min(V_q, V_g) / (2 − Σ min(V_q, V_g))` of
    the weights V of their k-reciprocal neighbours (`reciprocal_weights`), averaged over the k2 nearest, and the
    squared distance relative to the farthest image from the query. Neighbours are searched among query and gallery
    together, so the result of a query depends on the other queries. Identities and cameras are not used.

    Exact except for the rounding of float32: if λ is not 1, equal distances may differ by about 1e-7. Computed in
    float32 whatever the type of the embeddings. With N = n + m images there is never an N × N matrix. Time: N² · dim /
    2 multiply-adds for the neighbours, n · m · dim for the distances, and about 3 ns for each pair. Memory: a copy of
    the embeddings, about 2 kB for each image, a block of distances. If n · m distances take at most 256 MiB, they are
    kept instead of computed again.

    Args:
        query: `Features` of n images.
        gallery: `Features` of m images with the same `dim`.
        k1: neighbours in a list, not counting the image itself. With fewer images the lists are shorter.
        k2: nearest images, counting the image itself, over which the weights are averaged; 1 does not average.
        lambda_value: share λ of the original distance, 0…1; 1 keeps the original ranking.
        metric: `"cosine"` (the distance of L2-normalised embeddings) or `"euclidean"` (of embeddings as given).
        block_size: queries in a block; None for as many as fit into 128 MiB. The result does not depend on it.

    Returns:
        `RerankedDistances`, which `evaluate(…, distances=…)` takes; `numpy.asarray` gives the `(n, m)` matrix.

    Raises:
        UserError: query or gallery is empty, their dimensions differ, or an option is out of its range.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features, evaluate
        >>> query = Features([[1.0, 0.0]], identities=[3], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [1.0, 0.1]], identities=[5, 3], cameras=[1, 1])
        >>> distances = k_reciprocal_rerank(query, gallery, k1=1, k2=1)
        >>> evaluate(query, gallery, distances=distances).rank1
        1.0

    Source: Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017. Lists of
    k1 + 1 with the image itself and the division by the largest distance are as there; the original (FastReID)
    looks at k1 with itself and adds the distance undivided.
    """
    check_counts(k1=k1, k2=k2)
    if not isinstance(lambda_value, numbers.Real) or not 0 <= lambda_value <= 1:
        raise UserError(
            "`lambda_value`, the share of the original distance, must be from 0 to 1. "
            f"Received: lambda_value={lambda_value!r}."
        )
    # Checks the arguments before the long work starts.
    original = Distances(query, gallery, metric, block_size)
    points = Points.of(query, gallery, metric)
    kept = None
    if 4 * len(query) * len(gallery) <= _KEPT_BYTES and lambda_value != 1:
        kept = KeptScores(len(query), len(gallery))
    lists = neighbor_lists(points, max(k1 + 1, k2), kept and kept.take)
    weights = averaged(reciprocal_weights(points, lists, k1), lists.indices[:, :k2])
    return RerankedDistances(original, points, kept, lists.largest, weights, lambda_value, block_size)


class RerankedDistances(Blockwise):
    """What `k_reciprocal_rerank` returns: blocks of rows, computed when asked for.

    Example:
        >>> for start, block in k_reciprocal_rerank(query, gallery).blocks():  # doctest: +SKIP
        ...     nearest = block.argmin(axis=1)
    """

    def __init__(
        self,
        original: Distances,
        points: Points,
        kept: KeptScores,
        largest: NDArray[Any],
        weights: SparseRows,
        lambda_value: float,
        block_size: int | None,
    ) -> None:
        n, m = self.shape = original.shape
        self.original, self.points, self.kept = original, points, kept
        self.lambda_value, self.block_size = np.float32(lambda_value), block_size
        self.factors = self.lambda_value / np.where(largest[:n, None] == 0, np.float32(1), largest[:n, None])
        self.weights = weights.rows(0, n)
        # By column: which gallery images have an image among their neighbours.
        self.gallery_weights = weights.rows(n, n + m).transposed(n + m)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields `(start, block)`: `block` is `(rows, m)` float32 of the queries from `start` on.

        The array is reused: copy what must outlive one turn.
        """
        if self.block_size is None:
            yield from self._turns()
            return
        # The last bit of a float32 product depends on the number of rows. So the turns stay the same, and blocks of any
        # size are put together from them.
        n, m = self.shape
        block = np.empty((min(self.block_size, n), m), np.float32)
        done = 0
        for start, rows in self._turns():
            while done < start + len(rows):
                place = done % len(block)
                part = rows[done - start : done - start + len(block) - place]
                block[place : place + len(part)] = part
                done += len(part)
                if done % len(block) == 0 or done == n:
                    yield done - place - len(part), block[: place + len(part)]

    def _turns(self):
        for start, block in self._exact_turns() if self.lambda_value == 1 else self._product_turns():
            # Images without a common neighbour, which are most, have the Jaccard distance 1.
            block += 1 - self.lambda_value
            self._subtract_overlap(start, block)
            yield start, block

    def _product_turns(self):
        """`λ d² / max d²` from the float32 product, computed again if it was not kept; exact to about 1e-7."""
        n, m = self.shape
        rows = max(1, min(n, _TURN_BYTES // (4 * m)))
        reused = np.empty((rows, m), np.float32)
        vectors, half_squares = self.points.vectors, self.points.half_squares
        for start in range(0, n, rows):
            turn = slice(start, min(start + rows, n))
            block = reused[: turn.stop - start]
            if self.kept is None:
                np.matmul(vectors[turn], vectors[n:].T, out=block)
                block -= half_squares[n:]
                block -= half_squares[turn, None]
            else:
                self.kept.fill(block, start)
            block *= -2 * self.factors[turn]
            yield start, np.maximum(block, 0, out=block)

    def _exact_turns(self):
        """The same from the distances that `evaluate` ranks by, so that λ = 1 gives the same ranks, ties included."""
        for start, distances in self.original.blocks():
            factors = self.factors[start : start + len(distances)]
            if self.original.metric == "cosine":
                yield start, 2 * factors * distances
            else:
                yield start, factors * np.ldexp(distances, self.points.exponent) ** 2

    def _subtract_overlap(self, start, block):
        m = self.shape[1]
        weights = self.weights.rows(start, start + len(block))
        for first, last, cells, sums in overlaps(weights, self.gallery_weights, m):
            part = block[first:last].reshape(-1)
            part[cells] -= (1 - self.lambda_value) * (sums / (2 - sums)).astype(np.float32)
