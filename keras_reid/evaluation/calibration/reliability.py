"""Predicted against observed match rates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10


def tally(
    probabilities: NDArray[Any], same: NDArray[Any], different: NDArray[Any], prior: float
) -> NDArray[np.float64]:
    """Sums over the pairs of each of 10 bins of the probability, of equal width.

    Same pairs are weighted so that their share is the prior.

    Args:
        probabilities: `(k,)` predicted.
        same, different: `(k,)` pairs of one identity, and of different ones.
        prior: share of same pairs that the probabilities are for.

    Returns:
        `(4, 10)`: pairs, their weight, that of the predicted matches, that of the observed ones.
    """
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    matches = same * (prior / (1 - prior) * different.sum() / same.sum())
    weights = matches + different
    parts = (same + different, weights, weights * probabilities, matches)
    return np.stack([np.bincount(place, part, minlength=BINS) for part in parts])


def reliability(tallies: ArrayLike, repetitions: int) -> list[dict[str, Any]]:
    """One row for each bin that holds pairs.

    Args:
        tallies: `(n, 4, 10)`, of parts of the pairs that were not used for fitting.
        repetitions: in how many of the parts each pair is.

    Returns:
        list of dicts: `lower` and `upper` edge, `predicted` and `observed` match rate over all parts, `pairs` (mean of
        the repetitions), `deviation` (standard deviation of observed − predicted over the parts).
    """
    tallies = np.asarray(tallies)
    rows = []
    for place, (pairs, weight, predicted, observed) in enumerate(tallies.sum(axis=0).T):
        if not pairs:
            continue
        filled = tallies[tallies[:, 0, place] > 0, :, place]
        gaps = (filled[:, 3] - filled[:, 2]) / filled[:, 1]
        rows.append(
            {
                "lower": place / BINS,
                "upper": (place + 1) / BINS,
                "predicted": float(predicted / weight),
                "observed": float(observed / weight),
                "pairs": round(pairs / repetitions),
                "deviation": float(gaps.std()),
            }
        )
    return rows
