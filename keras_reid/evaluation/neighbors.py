"""The best gallery items of each query."""

import numpy as np

from keras_reid.errors import UserError
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.matches import Matches


def nearest(query, gallery, k=10, metric="cosine", protocol="cross_camera", block_size=None):
    """The k nearest gallery items of each query, nearest first, junk left out.

    Equal distances keep the order of the gallery, as in `evaluate`. Memory is bounded by a block of queries.

    Args:
        query: `Features`.
        gallery: `Features`.
        k: number of items wanted.
        metric: `"cosine"` or `"euclidean"`.
        protocol: `"cross_camera"` or `"all"`, as in `evaluate`.
        block_size: queries in a block; None takes as many as fit into 256 MiB.

    Returns:
        `(indices, distances)`: positions in the gallery, `(queries, min(k, gallery))` int64, and float32 of
        the same shape. Where junk leaves fewer items than that, a row ends with index −1 and distance
        infinity.

    Raises:
        UserError: as `evaluate`, and for k < 1.

    Example:
        >>> query = Features([[1.0, 0.0]], identities=[3], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [1.0, 0.0]], identities=[5, 3], cameras=[1, 1])
        >>> nearest(query, gallery, k=1)[0].tolist()
        [[1]]
    """
    if k < 1:
        raise UserError(f"`k` must be at least 1. Received: k={k}.")
    matches = Matches(query, gallery, protocol)
    distances = Distances(query, gallery, metric, block_size)
    k = min(k, len(gallery))
    indices = np.full((len(query), k), -1, np.int64)
    values = np.full((len(query), k), np.inf, np.float32)
    for start, block in distances.blocks():
        for index, row in enumerate(block, start):
            row[matches[index][1]] = np.inf
            # A partition leaves the order of equal distances open: so take all that are not farther than the
            # k-th, and sort those few.
            candidates = np.flatnonzero(row <= np.partition(row, k - 1)[k - 1])
            best = candidates[np.argsort(row[candidates], kind="stable")[:k]]
            values[index, : len(best)] = row[best]
            indices[index, : len(best)] = np.where(np.isinf(row[best]), -1, best)
    return indices, values
