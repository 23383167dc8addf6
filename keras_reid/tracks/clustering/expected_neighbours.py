"""Evidence of expected common neighbours, where identities have very different numbers of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.calibration.calibration import logit, sigmoid
from keras_reid.tracks.clustering.neighbours import RATIOS, bins_of, learnt_curve

_ROWS = 256  # of a matrix, at a time
_DISTANCES = 256  # bins
_FEWEST = 100  # pictures; fewer say too little of how even they are
# Standard deviation over mean of the pictures' numbers of others of their identity: up to the first, lists of one
# length are right; from the second, this evidence counts as much as any other. On seeds 11 to 16 of
# benchmarks/tracks_albums.py, albums with equally many pictures of all have 0.17 to 0.33, uneven ones 0.38 to 0.48.
_EVEN, _UNEVEN = 0.3, 0.4


def add_expected_neighbours(
    plain: NDArray[np.float32], ratios: NDArray[np.float32], prior: float, share: float, parts: int
) -> float:
    """Adds what expected common neighbours say to ratios that hold `parts` kinds of evidence, in place.

    `(parts · ratio + w · llr(1 − o)) / (parts + w)`. With `P = sigmoid(plain + logit(prior))`, 1 on the diagonal,
    `o = (P Pᵀ)ᵢⱼ / min((P Pᵀ)ᵢᵢ, (P Pᵀ)ⱼⱼ)`: how many pictures are expected to be the same as both, relative to what
    the picture with fewer could share at most. Unlike lists of one length, it fits pictures with few others of their
    identity and pictures with many. `llr` is learnt as in `add_neighbours`.

    It helps where identities differ in size, and costs where they do not: so `w` is 0 if the pictures' numbers of
    others of their identity, `Σ sigmoid(ratio + logit(share))`, vary by at most 0.3 of their mean, 1 from 0.4, and
    linear between. It is 0 for fewer than 100 pictures.

    Time: n³ multiply-adds, 0.1 s for 2000 pictures. Memory: 5 n² bytes, if `w` is above 0.

    Args:
        plain: `(n, n)` float32, symmetric: log-likelihood ratios by distances alone.
        ratios: `(n, n)` float32, symmetric: their mean with that of common neighbours, as `add_neighbours` leaves it.
        prior: share of same pairs, by `plain`.
        share: the same by `ratios`.
        parts: kinds of evidence in `ratios`.

    Returns:
        `w`.

    Example:
        >>> plain = pair_log_odds(embeddings, log_odds_of(calibration, 0.5))  # doctest: +SKIP
        >>> ratios, prior = plain.copy(), estimated_prior(plain)  # doctest: +SKIP
        >>> shares = add_neighbours(embeddings, ratios, prior)  # doctest: +SKIP
        >>> add_expected_neighbours(plain, ratios, prior, max(shares), len(shares))  # doctest: +SKIP
        1.0
    """
    if len(plain) < _FEWEST:
        return 0.0
    weight = float(np.clip((_variation(ratios, share) - _EVEN) / (_UNEVEN - _EVEN), 0, 1))
    if weight:
        low, high = float(plain.min()), float(plain.max())
        distances = _distances(plain, prior)
        curve, _ = learnt_curve(_counts(plain, distances, low, high), low, high, prior)
        curve = curve.astype(np.float32)
        ratios *= np.float32(parts)
        for start in range(0, len(ratios), _ROWS):
            ratios[start : start + _ROWS] += np.float32(weight) * curve[distances[start : start + _ROWS]]
        ratios /= np.float32(parts + weight)
    return weight


def _variation(ratios, share):
    others = np.empty(len(ratios))
    for start in range(0, len(ratios), _ROWS):
        chances = sigmoid(ratios[start : start + _ROWS] + np.float32(logit(share)))
        here = np.arange(len(chances))
        chances[here, start + here] = 0
        others[start : start + _ROWS] = chances.sum(axis=1, dtype=np.float64)
    return float(others.std() / max(others.mean(), 1e-9))


def _distances(plain, prior):
    """`(n, n)` uint8, symmetric: 1 − o of each pair, times 255."""
    chances = np.empty_like(plain)
    for start in range(0, len(plain), _ROWS):
        chances[start : start + _ROWS] = sigmoid(plain[start : start + _ROWS] + np.float32(logit(prior)))
    np.fill_diagonal(chances, 1)
    most = np.einsum("ij,ij->i", chances, chances)
    result = np.empty(plain.shape, np.uint8)
    for start in range(0, len(plain), _ROWS):
        stop = start + _ROWS
        overlap = chances[start:stop] @ chances[start:].T
        overlap /= np.minimum(most[start:stop, None], most[start:])
        block = np.rint((_DISTANCES - 1) * np.clip(1 - overlap, 0, 1)).astype(np.uint8)
        result[start:stop, start:] = block
        result[start:, start:stop] = block.T
        # A product need not be symmetric to the bit.
        square = result[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
    return result


def _counts(plain, distances, low, high):
    """`(RATIOS, _DISTANCES)` pairs by ratio and distance."""
    counts = np.zeros(RATIOS * _DISTANCES)
    for row in range(len(plain) - 1):
        cells = bins_of(plain[row, row + 1 :], low, high) * _DISTANCES + distances[row, row + 1 :]
        counts += np.bincount(cells, minlength=len(counts))
    return counts.reshape(RATIOS, _DISTANCES)
