"""How near each gallery item is to each query: fast, with a bound of the error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.distances import row_norms
from keras_reid.evaluation.exact.error_bounds import (
    BOUNDS,
    InexactScores,
    cosine_scores,
    euclidean_scores,
    relative_error,
)
from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import in_threads

if TYPE_CHECKING:
    from keras_reid.evaluation.distances import Distances

T = TypeVar("T")

_COLUMNS = 4096  # gallery items in one matrix product
_ROWS = 512  # queries in a block
_CAST_ROWS = 64
_MEMORY = 3 * 2**29
_BEYOND_ALL = 1.75  # no score is as far from 0: with lengths of at most 1, q·g − |g|²/2 is at least −1.5
LEAST_MEMORY = 2**26


def with_least_error(  # type: ignore[return]  # the last bound is proven
    distances: Distances, memory: int | None, block_size: int | None, compute: Callable[[Estimates], T]
) -> T:
    """`compute(estimates)` under the tightest bound of the error that holds: nearly always the first.

    Args:
        distances, memory, block_size: as for `Estimates`.
        compute: called with `Estimates`; called again with a larger bound when it raises `InexactScores`.
    """
    for bound in BOUNDS:
        estimates = Estimates(distances, memory, block_size, bound)
        try:
            return compute(estimates)
        except InexactScores:
            if estimates.proven:
                raise


class Estimates:
    """Scores of all pairs by a float32 matrix product, in blocks: the larger, the nearer.

    `error_bounds` says what the scores are, how far they may be off, and why; `Part.check` notices a score that is
    farther off.

    Memory: about `memory` bytes in addition to the features: 4·dim for each gallery item of a part and 4·512 for its
    scores. The gallery is read once, and in more than one part only if one does not fit.

    Args:
        distances: `Distances`, which are exact.
        memory: bytes to use, at least 64 MiB; None for 1.5 GiB.
        block_size: queries in a block; None for up to 512.
        bound: the assumed error in units of u; the proven one counts if it is less.
    """

    def __init__(
        self,
        distances: Distances,
        memory: int | None = None,
        block_size: int | None = None,
        bound: float = BOUNDS[0],
    ) -> None:
        if memory is not None and memory < LEAST_MEMORY:
            raise UserError(f"`memory` must be at least {LEAST_MEMORY} bytes (64 MiB). Received: {memory}.")
        self.distances = distances
        n, m = distances.shape
        self.dim = distances.query.shape[1]
        self.rows = min(n, block_size or _ROWS)
        memory = memory or _MEMORY
        while block_size is None and self.rows > 16 and self._width(memory) < min(m, _COLUMNS):
            self.rows = -(-self.rows // 2)
        self.width = min(m, self._width(memory))
        self.factor, self.proven = relative_error(self.dim, bound)

    def _width(self, memory):
        return max(1, (memory - 8 * self.rows * self.dim) // (4 * (self.dim + self.rows) + 16))

    def parts(self) -> Iterator[Part]:
        """Yields the gallery as one `Part` after the other."""
        for start in range(0, self.distances.shape[1], self.width):
            yield Part(self, start, min(start + self.width, self.distances.shape[1]))


class Part:
    """The scores of a stretch of the gallery, from `start` to `stop`."""

    def __init__(self, estimates: Estimates, start: int, stop: int) -> None:
        self.estimates, self.distances = estimates, estimates.distances
        self.start, self.stop = start, stop
        self.cosine = self.distances.metric == "cosine"
        query, gallery = self.distances.query, self.distances.gallery[start:stop]
        if self.cosine:
            self.query_scale = 1 / self.distances.query_norms
            gallery_scale = 1 / self.distances.gallery_norms[start:stop]
            self.longest = 1.0
        else:
            self.query_norms = row_norms(query, self.distances.center)
            norms = row_norms(gallery, self.distances.center)
            longest = max(self.query_norms.max(), norms.max())
            self.scale = 1 / longest if longest > 1e-49 else 0.0  # row_norms returns at least 1e-50
            self.query_scale = np.full(len(query), self.scale)
            gallery_scale = np.full(len(gallery), self.scale)
            self.query_norms *= self.scale
            norms *= self.scale
            self.longest = norms.max()
            self.halves = (norms**2 / 2).astype(np.float32)
        self.gallery = self._scaled(gallery, gallery_scale)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields `(start, scores)`: `(rows, stop − start)` float32 of the queries from `start` on.

        The array is reused, and may be written to.
        """
        n, rows = self.distances.shape[0], self.estimates.rows
        scores = np.empty((rows, self.stop - self.start), np.float32)
        for start in range(0, n, rows):
            queries = slice(start, start + rows)
            query = self._scaled(self.distances.query[queries], self.query_scale[queries])
            block = scores[: len(query)]
            for left in range(0, block.shape[1], _COLUMNS):
                columns = slice(left, left + _COLUMNS)
                np.matmul(query, self.gallery[columns].T, out=block[:, columns])
            if not self.cosine:
                in_threads(
                    lambda a, b, block=block: np.subtract(block[a:b], self.halves, block[a:b]), len(block)
                )
            yield start, block

    def center_and_error(
        self, queries: NDArray[Any], values: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The scores that correspond to exact distances, and how far an estimate may be from them.

        Args:
            queries: `(k,)` position of the query of each distance.
            values: `(k,)` exact float32 distances.

        Returns:
            `(scores, errors)`, `(k,)` float64 each. An item whose score is lower by more than the error is certainly
            farther away than the distance, one whose score is higher by more than the error certainly nearer.
        """
        values = values.astype(np.float64)
        if self.cosine:
            return cosine_scores(values, self.estimates.factor)
        lengths = self.query_norms[queries]
        return euclidean_scores(values, lengths, self.longest, self.scale, self.estimates.factor)

    def bounds(
        self, queries: NDArray[Any], values: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`(low, high)` float32 scores: only the exact distance tells whether an item between them is nearer."""
        centers, errors = self.center_and_error(queries, values)
        # A match of another part may be far beyond everything in this one.
        low, high = (
            np.clip(ends, -_BEYOND_ALL, _BEYOND_ALL) for ends in (centers - errors, centers + errors)
        )
        return low.astype(np.float32), high.astype(np.float32)

    def check(self, queries: NDArray[Any], scores: NDArray[Any], values: NDArray[Any]) -> None:
        """Raises `InexactScores` if estimates are too far from the exact distances `values` of their pairs.

        The proven bound needs no check.
        """
        if self.estimates.proven:
            return
        centers, errors = self.center_and_error(queries, values)
        if (np.abs(scores - centers) > errors / 2).any():
            raise InexactScores

    def _scaled(self, embeddings, scale):
        """Rows minus the centre, if there is one, times their factor, as float32."""
        out = np.empty(embeddings.shape, np.float32)
        center = self.distances.center
        # In all other cases the factor must not be rounded to float32 before the multiplication.
        simple = self.cosine and embeddings.dtype == np.float32 and scale.max() < 1e30 and scale.min() > 1e-30
        if simple:
            scale = scale.astype(np.float32)

        def fill(first, last):
            for start in range(first, last, _CAST_ROWS):
                rows = slice(start, min(start + _CAST_ROWS, last))
                if simple:
                    np.multiply(embeddings[rows], scale[rows, None], out=out[rows])
                else:
                    out[rows] = (embeddings[rows].astype(np.float64) - center) * scale[rows, None]

        in_threads(fill, len(out))
        return out
