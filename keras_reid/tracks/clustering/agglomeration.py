"""Average linkage under constraints: joins items into clusters until their evidence is used up."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError

MOST = 20_000  # items: then `agglomerate` and its argument take 3.2 GB
_ROWS = 256


def agglomerate(
    log_odds: ArrayLike,
    cannot_link: ArrayLike = (),
    must_link: ArrayLike = (),
    stop: float = 0.0,
    overwrite: bool = False,
) -> NDArray[np.int64]:
    """Clusters items by average linkage: joins the two clusters with the highest mean log odds, again and again.

    The mean is over all pairs of an item of one cluster and an item of the other. It ends where no two clusters have a
    mean above `stop`, so the number of clusters follows from the evidence. Two clusters with a pair that cannot be the
    same are never joined. Where evidence is equal, the first items are joined first.

    Time: grows with n²: 0.4 s for 5000 items, 2 s for 10 000. Memory: 4 n² bytes, and as much for the argument: 0.2 GB
    for 5000 items, 0.8 GB for 10 000.

    Args:
        log_odds: `(n, n)`, symmetric: `log(p / (1 − p))` of the probability that two items are the same. The diagonal
            is ignored. `-inf` is as good as `cannot_link`.
        cannot_link: `(k, 2)` pairs of items that are not the same. Default: none.
        must_link: `(k, 2)` pairs of items that are the same, whatever their log odds. Default: none.
        stop: mean log odds that a join must exceed. Default 0: a probability of one half.
        overwrite: whether `log_odds`, if it is a float32 array, may serve as working memory. Default False.

    Returns:
        `(n,)` the cluster of each item, from 0, in the order of their first items.

    Raises:
        UserError: there are more than 20 000 items; the matrix is not square, not symmetric, or holds NaN or `+inf`; a
            pair names no item; or two items that must be the same cannot be.

    Example:
        >>> from keras_reid.tracks.clustering import agglomerate
        >>> log_odds = [[0, 3, -4], [3, 0, -5], [-4, -5, 0]]
        >>> agglomerate(log_odds).tolist()
        [0, 0, 1]
        >>> agglomerate(log_odds, cannot_link=[(0, 1)]).tolist()
        [0, 1, 2]

    Source: Müllner, "Modern hierarchical, agglomerative clustering algorithms", arXiv:1109.2378, 2011, for the chain of
    nearest neighbours, which needs n² steps. Average linkage in which some joins are forbidden is still reducible: no
    join brings others nearer, so the chain finds what joining the best of all pairs would find.
    """
    pairs, _ = joins(log_odds, cannot_link, must_link, stop, overwrite)
    return clusters_of(len(np.asarray(log_odds)), pairs)


def joins(
    log_odds: ArrayLike,
    cannot_link: ArrayLike = (),
    must_link: ArrayLike = (),
    stop: float = 0.0,
    overwrite: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The joins that `agglomerate` makes, best first: the tree, which can be cut higher up with `clusters_of`.

    Args:
        log_odds, cannot_link, must_link, stop, overwrite: as in `agglomerate`; a `stop` of `-inf` gives the whole tree.

    Returns:
        `(k, 2)` the first item of each of the two clusters, and `(k,)` their mean log odds, falling; `inf` for those
        that must be joined.

    Raises:
        UserError: as `agglomerate`.

    Example:
        >>> from keras_reid.tracks.clustering import clusters_of, joins
        >>> pairs, evidence = joins([[0, 3, -4], [3, 0, -5], [-4, -5, 0]], stop=-float("inf"))
        >>> evidence.tolist(), clusters_of(3, pairs[evidence > 0]).tolist()
        ([3.0, -4.5], [0, 0, 1])
    """
    sums = _checked(log_odds, overwrite)
    apart, together = _pairs(cannot_link, len(sums)), _pairs(must_link, len(sums))
    if (apart[:, 0] == apart[:, 1]).any():
        raise UserError(
            "an item is always the same as itself. Received: it twice, as a pair of `cannot_link`."
        )
    tree = _Tree(sums, apart)
    tree.join_all(together)
    tree.join_nearest(stop)
    evidence = np.array(tree.evidence, np.float32)
    best_first = np.argsort(-evidence, kind="stable")
    return np.array(tree.pairs, np.int64).reshape(-1, 2)[best_first], evidence[best_first]


def clusters_of(items: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cluster of each item, from 0, in the order of their first items.

    Args:
        items: how many there are.
        pairs: `(k, 2)` items that are joined.

    Example:
        >>> clusters_of(4, np.array([[1, 3]])).tolist()
        [0, 1, 2, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not items:
        return np.zeros(0, np.int64)
    labels = connected_components(coo_array((np.ones(len(pairs)), pairs.T), (items, items)), directed=False)[
        1
    ]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def check_count(items: int) -> None:
    """Refuses more items than fit into memory as a matrix.

    Raises:
        UserError: there are more than 20 000.
    """
    if items > MOST:
        raise UserError(
            f"at most {MOST:,} items can be clustered at once: their matrix alone takes {4 * MOST**2 / 1e9:.1f} GB. "
            f"Received: {items:,}. Cluster them in parts."
        )


class _Tree:
    """Clusters that are being joined; each stands at the place of its first item.

    A cluster's row holds the sums of its log odds with each item, not means: they stay `-inf` where a single pair is.
    Columns are never joined, since writing them takes most of the time; reading a row adds them up by cluster.
    """

    def __init__(self, sums, cannot_link):
        self.sums = sums
        self.cluster = np.arange(len(sums))  # of each item
        self.sizes = np.ones(len(sums))
        self.open = np.ones(len(sums), bool)
        self.pairs: list[tuple[int, int]] = []
        self.evidence: list[float] = []
        sums[cannot_link[:, 0], cannot_link[:, 1]] = sums[cannot_link[:, 1], cannot_link[:, 0]] = -np.inf
        np.fill_diagonal(sums, 0)

    def join_all(self, must_link):
        """Joins pairs of items that must be the same."""
        for one, other in must_link:
            kept, gone = sorted((int(self.cluster[one]), int(self.cluster[other])))
            if kept == gone:
                continue
            if self._means(kept)[gone] == -np.inf:
                raise UserError(
                    f"items {one} and {other} must be the same, yet a pair that cannot be the same would be "
                    "joined with them. Which of the two is wrong?"
                )
            self._join(kept, gone, np.inf)

    def join_nearest(self, stop):
        """Joins clusters until no mean exceeds `stop`."""
        chain: list[int] = []  # each one's nearest is the next, and the means rise
        for start in range(len(self.sums)):
            while chain or self.open[start]:
                if not chain:
                    chain.append(start)
                last = chain[-1]
                means = self._means(last)
                nearest = int(np.argmax(means))
                # What is nearer than the one before by rounding alone may lie further back in the chain.
                if len(chain) > 1 and (means[chain[-2]] == means[nearest] or nearest in chain):
                    nearest = chain[-2]
                if not means[nearest] > stop:
                    self.open[chain.pop()] = False  # joins elsewhere only lower its means
                elif len(chain) > 1 and nearest == chain[-2]:
                    chain = chain[:-2]
                    self._join(min(last, nearest), max(last, nearest), float(means[nearest]))
                else:
                    chain.append(nearest)

    def _means(self, cluster):
        """The mean log odds of a cluster with each one that is open; `-inf` elsewhere."""
        sums = np.bincount(self.cluster, self.sums[cluster], len(self.sums))
        means = sums / (self.sizes[cluster] * self.sizes)
        means[~self.open] = means[cluster] = -np.inf
        return means

    def _join(self, kept, gone, evidence):
        self.pairs.append((kept, gone))
        self.evidence.append(evidence)
        self.sums[kept] += self.sums[gone]
        self.sizes[kept] += self.sizes[gone]
        self.cluster[self.cluster == gone] = kept
        self.open[gone] = False


def _checked(log_odds, overwrite):
    given = np.asarray(log_odds)
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise UserError(f"`log_odds` must be a square matrix. Received: shape {given.shape}.")
    check_count(len(given))
    for start in range(0, len(given), _ROWS):
        stop = start + _ROWS
        square = given[start:stop, start:stop]
        for values, mirrored in (
            (given[start:stop, :start], given[:start, start:stop].T),
            (np.tril(square, -1), np.tril(square.T, -1)),
        ):
            if not (values < np.inf).all():
                raise UserError("log odds must be numbers below infinity. Received: NaN or inf.")
            if not np.array_equal(values, mirrored):
                raise UserError("`log_odds` must be symmetric, to the bit. Received: a matrix that is not.")
    return given.astype(np.float32, copy=not overwrite)


def _pairs(pairs, items):
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
    wrong = (pairs < 0) | (pairs >= items)
    if wrong.any():
        raise UserError(f"pairs must name items from 0 to {items - 1}. Received: {int(pairs[wrong][0])}.")
    return pairs
