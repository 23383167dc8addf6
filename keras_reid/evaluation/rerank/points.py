"""Query and gallery as one set of points."""

import dataclasses

import numpy as np

_PAIR_BYTES = 32 * 2**20
_ROWS_A_TURN = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """N vectors whose squared distance is `2 (h_i + h_j − x_i · x_j)`, h being half their squares.

    Args:
        vectors: `(N, dim)` float32.
        half_squares: `(N,)` float32.
        exponent: the vectors are the embeddings times two to this power.

    Example:
        >>> points = Points.of(query, gallery, "cosine")  # doctest: +SKIP
    """

    vectors: np.ndarray
    half_squares: np.ndarray
    exponent: int = 0

    @classmethod
    def of(cls, query, gallery, metric):
        """The embeddings of the query, then those of the gallery.

        `"cosine"` normalises them: a squared distance is then twice the cosine distance, also that of a vector
        of zeros, which is at cosine distance 1 from all. `"euclidean"` moves the mean to zero, so that the
        float32 product does not lose small differences beside a large offset, and scales by a power of two, so
        that squares do not overflow: re-ranking does not depend on the unit.
        """
        vectors = np.concatenate([query.embeddings, gallery.embeddings])
        if metric == "cosine":
            for start in range(0, len(vectors), _ROWS_A_TURN):
                rows = vectors[start : start + _ROWS_A_TURN].astype(np.float64)
                norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
                vectors[start : start + _ROWS_A_TURN] = rows / np.where(norms == 0, 1, norms)[:, None]
            return cls(vectors, np.full(len(vectors), 0.5, np.float32))
        mean = vectors.mean(axis=0, dtype=np.float64)
        largest = max(float(vectors.max()), -float(vectors.min()), float(np.abs(mean).max()))
        exponent = -int(np.frexp(largest)[1])
        for start in range(0, len(vectors), _ROWS_A_TURN):
            rows = vectors[start : start + _ROWS_A_TURN]
            rows[...] = np.ldexp(rows - mean, exponent)
        return cls(vectors, np.vecdot(vectors, vectors) / 2, exponent)

    def __len__(self):
        return len(self.vectors)

    def half_distances(self, rows, columns):
        """Half the squared distance of each pair; the result does not depend on the other pairs.

        Args:
            rows: `(pairs,)` positions.
            columns: `(pairs,)` positions.

        Returns:
            `(pairs,)` float32.
        """
        result = np.empty(len(rows), np.float32)
        turn = max(1, _PAIR_BYTES // (8 * self.vectors.shape[1]))
        for start in range(0, len(rows), turn):
            i, j = rows[start : start + turn], columns[start : start + turn]
            products = np.vecdot(self.vectors[i], self.vectors[j])
            result[start : start + turn] = self.half_squares[i] + self.half_squares[j] - products
        result[rows == columns] = 0
        return np.maximum(result, 0, out=result)
