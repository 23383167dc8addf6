"""Evidence of common neighbours: two pictures are of one identity if the same pictures are near both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.calibration.calibration import logit, sigmoid
from keras_reid.evaluation.rerank import jaccard_neighbors

if TYPE_CHECKING:
    from keras_reid.evaluation.rerank.sparse_rows import SparseRows

_ROWS = 256  # of the matrix, at a time
RATIOS = 512  # bins of log-likelihood ratios
_DISTANCES = 256  # bins
# Small albums learn their own noise from bins with one pair each: of 8 people with 3 pictures, the adjusted Rand index
# was 0.82, where distances alone give 0.93, and four pairs in a bin give 0.96 (seeds 11 to 16).
_SMALL, _PAIRS = 100, 4  # pictures; least pairs in a bin
_APART = 0.9999  # Jaccard distance from which two pictures count as sharing nothing
_FEWEST = 8  # pictures; fewer have no neighbours to speak of
# Neighbours in a list, as a share of the pictures that an average one shares its identity with; and over how many of
# these the lists are averaged. Chosen on other albums than those that benchmarks/tracks_albums.py reports: the shorter
# lists are right where all identities have equally many pictures, the longer ones where they differ.
_LISTS, _AVERAGED = (0.5, 1.0), 0.4


def add_neighbours(
    embeddings: NDArray[np.float32], ratios: NDArray[np.float32], prior: float
) -> tuple[float, ...]:
    """Adds what common neighbours say to the log-likelihood ratios of pairs, in place.

    `(llr + llr(j) + llr(j′)) / 3`, where `j` and `j′` are the Jaccard distances of the two pictures' k-reciprocal
    neighbours, in lists of two lengths: half the number of pictures that an average picture shares its identity with,
    as far as the prior knows (`k1 = (n − 1) · prior / 2`), and all of it. What `j` says is learnt from the album
    itself, from the calibrated probabilities of its pairs, in two rounds of expectation maximisation: `P(same | j)` is
    the mean over all pairs with that `j` of `sigmoid(llr + llr(j) + logit(prior))`, falling in `j`, with `llr(j) = 0`
    in the first round. `llr(j)` stays within what the calibration itself can say.

    Time: 3 s for 2000 pictures, growing with the square. Memory: in addition to the matrix, some kB for each picture
    and 12 bytes for each pair with a common neighbour.

    Args:
        embeddings: `(n, dim)` float32 of unit length.
        ratios: `(n, n)` float32, symmetric: log-likelihood ratio of each pair, as of `log_odds_of(calibration, 0.5)`.
        prior: share of same pairs.

    Returns:
        shares of same pairs: the prior, and what the neighbours of each length of lists speak for.

    Example:
        >>> ratios = pair_log_odds(embeddings, log_odds_of(calibration, 0.5))  # doctest: +SKIP
        >>> add_neighbours(embeddings, ratios, estimated_prior(ratios))  # doctest: +SKIP
        (0.011, 0.013, 0.017)

    Source: Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017, for the distance.
    """
    count = len(embeddings)
    if count < _FEWEST:
        return (prior,)
    low, high = float(ratios.min()), float(ratios.max())
    scales, shares = [], [prior]
    for part in _LISTS:
        k1, k2 = (max(2, round(one * (count - 1) * prior)) for one in (part, part * _AVERAGED))
        distances = jaccard_neighbors(embeddings, _APART, min(k1, count - 1), min(k2, count))
        edges = _edges(distances)
        learnt, share = learnt_curve(_counts(ratios, distances, edges, low, high), low, high, prior)
        scales.append((distances, edges, learnt))
        shares.append(share)
    parts = 1 + len(scales)
    ratios += np.float32(sum(learnt[-1] for _, _, learnt in scales))
    ratios /= np.float32(parts)
    for distances, edges, learnt in scales:
        more = ((learnt - learnt[-1]) / parts).astype(np.float32)
        for row, columns, values in _upper(distances):
            some = more[np.searchsorted(edges, values)]
            ratios[row, columns] += some
            ratios[columns, row] += some
    return tuple(shares)


def _histogram(ratios, low, high):
    """`(RATIOS,)` pairs by their ratio."""
    counts = np.zeros(RATIOS)
    for start in range(0, len(ratios), _ROWS):
        for row, values in enumerate(ratios[start : start + _ROWS], start):
            counts += np.bincount(bins_of(values[row + 1 :], low, high), minlength=RATIOS)
    return counts


def bins_of(ratios: NDArray[np.float32], low: float, high: float) -> NDArray[np.int32]:
    """The bins of log-likelihood ratios from `low` to `high`, 0 to `RATIOS` - 1."""
    scale = np.float32((RATIOS - 1) / (high - low) if high > low else 0)
    return np.rint((ratios - np.float32(low)) * scale).astype(np.int32)


def _upper(distances: SparseRows):
    """`(row, columns, distances)` of the pairs that share neighbours, each pair once."""
    for row in range(len(distances.counts)):
        here = slice(distances.starts[row], distances.starts[row + 1])
        later = distances.columns[here] > row
        yield row, distances.columns[here][later], distances.values[here][later]


def _edges(distances):
    """Borders of the bins of distances, finer where they are small."""
    values = np.concatenate([values for _, _, values in _upper(distances)])
    if not len(values):
        return np.zeros(0, np.float32)
    bins = _DISTANCES
    if len(distances.counts) < _SMALL:
        bins = min(bins, max(2, len(values) // _PAIRS))
    return np.unique(np.quantile(values, np.linspace(0, 1, bins) ** 2).astype(np.float32))


def _counts(ratios, distances, edges, low, high):
    """Pairs by ratio and distance; the last column is for those that share nothing."""
    counts = np.zeros((RATIOS, len(edges) + 1))
    for row, columns, values in _upper(distances):
        np.add.at(counts, (bins_of(ratios[row, columns], low, high), np.searchsorted(edges, values)), 1)
    counts[:, -1] += _histogram(ratios, low, high) - counts.sum(axis=1)
    return counts


def learnt_curve(
    counts: NDArray[np.float64], low: float, high: float, prior: float
) -> tuple[NDArray[np.float64], float]:
    """The log-likelihood ratio in each bin of a distance, and the share of same pairs.

    Args:
        counts: `(RATIOS, bins)`, pairs by their ratio so far (`bins_of`) and by the distance.
        low, high: of the ratios.
        prior: share of same pairs, by the ratios so far.
    """
    values, shift = np.linspace(low, high, RATIOS)[:, None], logit(prior)
    pairs, ratio = counts.sum(axis=0), np.zeros(counts.shape[1])
    for _ in range(2):
        same = (counts * sigmoid(values + ratio + shift)).sum(axis=0)
        share = (1 + same.sum()) / (2 + pairs.sum())
        chance = _falling((same + share) / (pairs + 1), pairs + 1)
        ratio = np.clip(np.log(chance / (1 - chance)) - logit(share), low, high)
    return ratio, float(share)


def _falling(values, weights):
    """The nearest values that never rise: pools what does."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            last, before = pools.pop(), pools.pop()
            total = last[1] + before[1]
            pools.append([(last[0] * last[1] + before[0] * before[1]) / total, total, last[2] + before[2]])
    return np.concatenate([np.full(int(size), value) for value, _, size in pools])
