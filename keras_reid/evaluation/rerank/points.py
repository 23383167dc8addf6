"""Query and gallery as one set of points."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features

_PAIR_BYTES = 32 * 2**20
_ROWS_A_TURN = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """N vectors whose squared distance is `2 (h_i + h_j − x_i · x_j)`, h being half their squares.

    Args:
        vectors: `(N, dim)` float32.
        half_squares: `(N,)` float32.
        given: the embeddings that they were made from, `(n, dim)` of the query and `(N − n, dim)` of the gallery.
        metric: `"cosine"` or `"euclidean"`.
        exponent: the vectors are the embeddings times two to this power.

    Example:
        >>> points = Points.of(query, gallery, "cosine")  # doctest: +SKIP
    """

    vectors: np.ndarray
    half_squares: np.ndarray
    given: tuple
    metric: str
    exponent: int = 0

    @classmethod
    def of(cls, query: Features, gallery: Features, metric: str) -> Points:
        """The embeddings of the query, then those of the gallery, in float32 whatever their type.

        `"cosine"` normalises them: a squared distance is then twice the cosine distance, also that of a vector
        of zeros, which is at cosine distance 1 from all. `"euclidean"` moves the mean to zero, so that the
        float32 product does not lose small differences in a large offset, and scales by a power of two, so that
        squares do not overflow: re-ranking does not depend on the unit.
        """
        given = query.embeddings, gallery.embeddings
        vectors = np.concatenate(given, dtype=np.float32)
        if metric == "cosine":
            for start in range(0, len(vectors), _ROWS_A_TURN):
                rows = vectors[start : start + _ROWS_A_TURN].astype(np.float64)
                norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
                vectors[start : start + _ROWS_A_TURN] = rows / np.where(norms == 0, 1, norms)[:, None]
            return cls(vectors, np.full(len(vectors), 0.5, np.float32), given, metric)
        mean = vectors.mean(axis=0, dtype=np.float64)
        largest = max(float(vectors.max()), -float(vectors.min()), float(np.abs(mean).max()))
        exponent = -int(np.frexp(largest)[1])
        for start in range(0, len(vectors), _ROWS_A_TURN):
            rows = vectors[start : start + _ROWS_A_TURN]
            rows[...] = np.ldexp(rows - mean, exponent)
        return cls(vectors, np.vecdot(vectors, vectors) / 2, given, metric, exponent)

    def __len__(self) -> int:
        return len(self.vectors)

    def half_distances(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
        """Half the squared distance of each pair; the result does not depend on the other pairs.

        Args:
            rows: `(pairs,)` positions.
            columns: `(pairs,)` positions.

        Returns:
            `(pairs,)` float32.
        """
        result = np.empty(len(rows), np.float32)
        for some in self._turns(rows):
            i, j = rows[some], columns[some]
            products = np.vecdot(self.vectors[i], self.vectors[j])
            result[some] = self.half_squares[i] + self.half_squares[j] - products
        result[rows == columns] = 0
        return np.maximum(result, 0, out=result)

    def exact_half_distances(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
        """The same from the embeddings as given, in float64 and rounded at the end.

        Equal distances stay equal here, while taking off the mean or making a length 1 rounds. Takes about three times
        as long.
        """
        result = np.empty(len(rows), np.float32)
        for some in self._turns(rows):
            left, right = self._given(rows[some]), self._given(columns[some])
            if self.metric == "cosine":
                lengths = np.sqrt(np.vecdot(left, left)) * np.sqrt(np.vecdot(right, right))
                cosines = np.vecdot(left, right) / np.where(lengths == 0, 1, lengths)
                # Rounded before it is taken from 1, as in `Distances`: copies are at 0.
                result[some] = 1 - cosines.astype(np.float32)
            else:
                left -= right
                result[some] = np.ldexp(np.vecdot(left, left), 2 * self.exponent - 1)
        result[rows == columns] = 0
        return np.maximum(result, 0, out=result)

    def _given(self, positions):
        query, gallery = self.given
        rows = np.empty((len(positions), self.vectors.shape[1]))
        own = positions < len(query)
        rows[own] = query[positions[own]]
        rows[~own] = gallery[positions[~own] - len(query)]
        return rows

    def _turns(self, pairs):
        turn = max(1, _PAIR_BYTES // (8 * self.vectors.shape[1]))
        for start in range(0, len(pairs), turn):
            yield slice(start, start + turn)
