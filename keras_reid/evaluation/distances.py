"""Distances between query and gallery, a block of queries at a time."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import in_threads

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features

METRICS = ("cosine", "euclidean")
_BLOCK_BYTES = 256 * 2**20
_TILE_BYTES = 32 * 2**20
_PAIR_ROWS = 32  # pairs of one pass: what fits into the cache
_NORM_ROWS = 32
_EPSILON = np.finfo(np.float64).eps
_NO_NORM = 1e-50  # below the norm of any float32 vector that is not all zeros (1.4e-45)


class Blockwise:
    """Distances with a `shape` and `blocks()`, which yields `(start, rows)`. `numpy.asarray` joins the blocks."""

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("distances are computed on demand, so they cannot be returned without a copy")
        matrix = np.empty(self.shape, np.float32)
        for start, block in self.blocks():
            matrix[start : start + len(block)] = block
        return matrix if dtype is None else matrix.astype(dtype, copy=False)


class Distances(Blockwise):
    """Distance of every query to every gallery item in blocks of rows, without a full matrix.

    - `"cosine"`: `1 − q·g / (|q| |g|)`, 0…2. A vector of zeros is at distance 1 from everything.
    - `"euclidean"`: `|q − g|` of the embeddings as given. (The original ranks by the square; the ranks are
      the same.)

    A distance depends on the two vectors alone: it is summed in float64, pair by pair, and rounded to float32. In a
    matrix product the place of a row in the matrix would matter too: two copies of an image would differ in the last
    bit, and chance and the size of the blocks would decide on their order. Here copies tie. (A float64 matrix product
    does most of the work. The few sums that lie so close to the boundary of two float32 numbers that its rounding might
    decide are computed again, pair by pair.)

    Time grows with queries × gallery × dim, about two times that of the float32 matrix product.

    Args:
        query: `Features` of n images.
        gallery: `Features` of m images with the same `dim`.
        metric: `"cosine"` or `"euclidean"`.
        block_size: queries in a block; None takes as many as fit into 256 MiB.

    Raises:
        UserError: query or gallery is empty, their dimensions differ, or an option has no meaning.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features
        >>> features = Features(np.eye(2), identities=[0, 1], cameras=[0, 0])
        >>> np.asarray(Distances(features, features)).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """

    def __init__(
        self, query: Features, gallery: Features, metric: str = "cosine", block_size: int | None = None
    ) -> None:
        if metric not in METRICS:
            raise UserError(f"`metric` must be one of {', '.join(METRICS)}. Received: metric={metric!r}.")
        for name, features in (("query", query), ("gallery", gallery)):
            if len(features) == 0:
                raise UserError(f"the {name} is empty: there is nothing to rank. Pass at least one image.")
        if query.dim != gallery.dim:
            raise UserError(
                "query and gallery must come from the same model. "
                f"Received: embeddings of {query.dim} and of {gallery.dim} numbers."
            )
        if block_size is not None and block_size < 1:
            raise UserError(f"`block_size` must be a positive number of queries. Received: {block_size}.")
        self.query, self.gallery, self.metric = query.embeddings, gallery.embeddings, metric
        self.block_size = block_size or max(1, _BLOCK_BYTES // (4 * len(gallery)))

    @property
    def shape(self) -> tuple[int, int]:
        """`(queries, gallery)`."""
        return len(self.query), len(self.gallery)

    @functools.cached_property
    def query_norms(self) -> NDArray[np.float64]:
        """`(n,)` float64 lengths of the queries."""
        return row_norms(self.query)

    @functools.cached_property
    def gallery_norms(self) -> NDArray[np.float64]:
        """`(m,)` float64 lengths of the gallery items."""
        return row_norms(self.gallery)

    @functools.cached_property
    def center(self) -> NDArray[np.float64] | float:
        """`(dim,)` float64: about the mean of the gallery, or 0 for cosine.

        Euclidean distances do not change when it is taken from both sides, and what cancels is small then.
        """
        if self.metric == "cosine":
            return np.zeros(1)
        step = -(-len(self.gallery) // 1024)
        return self.gallery[::step].astype(np.float64).mean(axis=0)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields `(start, block)`: `block` is `(rows, m)` float32 of the queries from `start` on.

        The array is reused: copy what is to be kept beyond one turn.
        """
        n, m = self.shape
        rows = min(self.block_size, n)
        tile = max(1, min(m, _TILE_BYTES // (8 * max(rows, self.query.shape[1]))))
        # Both are used again and again: fresh memory for each tile costs as much time as the arithmetic on it.
        distances, products = np.empty((rows, m), np.float32), np.empty((rows, tile))
        for start in range(0, n, rows):
            query, query_squares = self._prepare(self.query, start, rows, "query_norms")
            block = distances[: len(query)]
            for left in range(0, m, tile):
                gallery, gallery_squares = self._prepare(self.gallery, left, tile, "gallery_norms")
                part = np.matmul(query, gallery.T, out=products[: len(query), : len(gallery)])
                self._finish(part, query_squares, gallery_squares, start, left, block[:, left : left + tile])
            yield start, block

    def table(self, queries: NDArray[Any], positions: NDArray[Any]) -> NDArray[np.float32]:
        """Distances of a few queries to a few gallery items.

        Args:
            queries: `(j,)` positions of the queries.
            positions: `(k,)` positions in the gallery.

        Returns:
            `(j, k)` float32, the same numbers as in `blocks()`.
        """
        query = self.query[queries].astype(np.float64)
        sums = np.empty((len(query), len(positions)))
        for start in range(0, len(positions), _PAIR_ROWS):
            rows = self.gallery[positions[start : start + _PAIR_ROWS]].astype(np.float64)
            out = sums[:, start : start + _PAIR_ROWS]
            if self.metric == "cosine":
                np.vecdot(query[:, None], rows, out=out)
            else:
                for one, line in zip(query, out, strict=True):
                    difference = rows - one
                    np.vecdot(difference, difference, out=line)
        if self.metric == "cosine":
            sums /= self.query_norms[queries, None] * self.gallery_norms[positions]
        return self._rounded(sums)

    def listed(self, queries: NDArray[Any], positions: NDArray[Any]) -> NDArray[np.float32]:
        """Distances of listed pairs of a query and a gallery item.

        Args:
            queries: `(k,)` positions of the queries.
            positions: `(k,)` positions in the gallery.

        Returns:
            `(k,)` float32, the same numbers as in `blocks()`.
        """
        sums = np.empty(len(queries))

        def fill(first, last):
            for start in range(first, last, _PAIR_ROWS):
                some = slice(start, min(start + _PAIR_ROWS, last))
                left = self.query[queries[some]].astype(np.float64)
                right = self.gallery[positions[some]].astype(np.float64)
                if self.metric == "euclidean":
                    left -= right
                    right = left
                np.vecdot(left, right, out=sums[some])

        in_threads(fill, len(sums))
        if self.metric == "cosine":
            sums /= self.query_norms[queries] * self.gallery_norms[positions]
        return self._rounded(sums)

    def select(self, queries: slice | NDArray[Any], start: int, stop: int) -> Distances:
        """The `Distances` of some queries to the gallery items from `start` to `stop`."""
        part = copy.copy(self)
        part.query, part.gallery = self.query[queries], self.gallery[start:stop]
        part.block_size = max(1, _BLOCK_BYTES // (4 * len(part.gallery)))
        if self.metric == "cosine":
            part.query_norms, part.gallery_norms = self.query_norms[queries], self.gallery_norms[start:stop]
        return part

    def _prepare(self, embeddings, start, rows, norms):
        embeddings = embeddings[start : start + rows].astype(np.float64)
        if self.metric == "cosine":
            embeddings /= getattr(self, norms)[start : start + rows, None]
            return embeddings, None
        embeddings -= self.center
        return embeddings, np.vecdot(embeddings, embeddings)

    def _rounded(self, values):
        """Distances from cosine similarities or squares, float64 → float32; monotone."""
        if self.metric == "cosine":
            # Rounded before it is taken from 1, so that copies are at 0 and not at the rounding error of float64.
            values = np.subtract(1, values.astype(np.float32))
            return np.maximum(values, 0, out=values)
        return np.sqrt(np.maximum(values, 0)).astype(np.float32)

    def _finish(self, products, query_squares, gallery_squares, start, left, out):
        # The most by which a sum may differ that adds in another order and rounds its factors first.
        error = (2 * self.query.shape[1] + 16) * _EPSILON
        if self.metric == "euclidean":
            error = error * (query_squares[:, None] + gallery_squares)
            products *= -2
            products += query_squares[:, None]
            products += gallery_squares
        out[...] = self._rounded(products + error)
        products -= error
        rows, columns = np.nonzero(self._rounded(products) != out)
        if len(rows):
            out[rows, columns] = self.listed(start + rows, left + columns)


def row_norms(embeddings: NDArray[Any], center: float | NDArray[Any] = 0.0) -> NDArray[np.float64]:
    """`(n,)` float64 distances of rows from `center`, at least 1e-50 so that they can be divided by.

    Each depends on its row alone.
    """
    norms = np.empty(len(embeddings))

    def fill(first, last):
        for start in range(first, last, _NORM_ROWS):
            stop = min(start + _NORM_ROWS, last)
            rows = embeddings[start:stop].astype(np.float64)
            rows -= center
            np.vecdot(rows, rows, out=norms[start:stop])

    in_threads(fill, len(embeddings))
    return np.maximum(np.sqrt(norms, out=norms), _NO_NORM, out=norms)
