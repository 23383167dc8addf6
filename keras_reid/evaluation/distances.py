"""Distances between query and gallery, a block of queries at a time."""

import numpy as np

from keras_reid.errors import UserError

METRICS = ("cosine", "euclidean")
_BLOCK_BYTES = 256 * 2**20
_TILE_BYTES = 32 * 2**20
# Two float32 vectors that differ in one unit in the last place of one component lie further apart than this
# times their squared norms in nearly every case; what is nearer is rounding of the float64 sums.
_EUCLIDEAN_NOISE = 16 * np.finfo(np.float64).eps
_NO_NORM = 1e-50  # below the norm of any float32 vector that is not all zeros (1.4e-45)


class Distances:
    """Distance of every query to every gallery item as blocks of rows, so that no full matrix is ever needed.

    - `"cosine"`: `1 − q·g / (|q| |g|)`, 0…2. A vector of zeros is at distance 1 from everything.
    - `"euclidean"`: `|q − g|` of the embeddings as given. (The original ranks by the square; the ranks are
      the same.)

    The sums run in float64 and are rounded to float32. In float32 a matrix product depends on the place of a
    row in the matrix: two copies of one image would differ in the last bit, and their order would be left to
    chance and to the size of the blocks. So rounded, copies tie and blocks do not matter.

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

    def __init__(self, query, gallery, metric="cosine", block_size=None):
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
        self.shape = (len(query), len(gallery))
        self.block_size = block_size or max(1, _BLOCK_BYTES // (4 * len(gallery)))

    def blocks(self):
        """Yields `(start, block)`: `block` is `(rows, m)` float32 of the queries from `start` on.

        The array is reused: copy what is to be kept beyond one turn.
        """
        n, m = self.shape
        rows = min(self.block_size, n)
        tile = max(1, min(m, _TILE_BYTES // (8 * max(rows, self.query.shape[1]))))
        # Both are used again and again: fresh memory for each tile costs as much time as the arithmetic on it.
        distances, products = np.empty((rows, m), np.float32), np.empty((rows, tile))
        for start in range(0, n, rows):
            query, query_squares = self._prepare(self.query[start : start + rows])
            block = distances[: len(query)]
            for left in range(0, m, tile):
                gallery, gallery_squares = self._prepare(self.gallery[left : left + tile])
                part = np.matmul(query, gallery.T, out=products[: len(query), : len(gallery)])
                self._finish(part, query_squares, gallery_squares, out=block[:, left : left + tile])
            yield start, block

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("the distances are computed when asked for: they cannot be had without a copy")
        matrix = np.empty(self.shape, np.float32)
        for start, block in self.blocks():
            matrix[start : start + len(block)] = block
        return matrix if dtype is None else matrix.astype(dtype, copy=False)

    def _prepare(self, embeddings):
        embeddings = embeddings.astype(np.float64)
        squares = np.einsum("ij,ij->i", embeddings, embeddings)
        if self.metric == "cosine":
            embeddings /= np.maximum(np.sqrt(squares), _NO_NORM)[:, None]
        return embeddings, squares

    def _finish(self, products, query_squares, gallery_squares, out):
        if self.metric == "cosine":
            # Rounded before it is taken from 1: copies shall be at 0, not at the rounding error of float64.
            out[...] = products
            np.subtract(1, out, out=out)
            np.maximum(out, 0, out=out)
            return
        norms = query_squares[:, None] + gallery_squares
        products *= -2
        products += norms
        norms *= _EUCLIDEAN_NOISE
        products[products <= norms] = 0
        out[...] = np.sqrt(products, out=products)
