"""The log-likelihood ratio of a distance as a smooth, falling curve, from counts of pairs by distance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.calibration.calibration import logit, sigmoid
from keras_reid.utils.errors import UserError

_KNOTS = 24
# Chosen by the log loss on identities that were not used for fitting.
_CURVATURE = 3e-4
# Enough that the slope stays finite where the distances of same and different pairs do not overlap.
_SLOPE = 1e-4
_RISE = 1e4
_STEPS = 200


def fit_log_likelihood_ratio(
    distances: NDArray[Any],
    same: NDArray[Any],
    different: NDArray[Any],
    identities: float,
    identity_pairs: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fits `log(density among same pairs / density among different ones)` as a function of the distance.

    A logistic regression on a piecewise linear curve with 24 knots, evenly spaced, whose curvature is penalised, so
    that much smoothing makes it a straight line (Platt's logistic calibration) and none the isotonic curve in the end;
    rises are penalised until there are none. Pairs of an identity are not independent: each identity counts as one
    observation against the penalty, however many pairs it has. For the same reason the ratio stays within
    `−log(identities + 1)` and `log(identity_pairs + 1)`: from a hundred people none can know odds of a million.

    Time: bins × Newton steps (about 20). Memory: a few arrays of the size of the bins.

    Args:
        distances: `(bins,)` ascending.
        same, different: `(bins,)` pairs of one identity, and of different ones, at each distance.
        identities: number of identities in the same pairs.
        identity_pairs: number of pairs of two identities in the different pairs.

    Returns:
        `(knots, log_likelihood_ratio)`, `(24,)` float64 each, the second never rising.

    Raises:
        UserError: all distances are equal.

    Source: Eilers and Marx, "Flexible smoothing with B-splines and penalties", Statistical Science 11, 1996; Bollaerts,
    Eilers and van Mechelen, "Simple and multiple P-splines regression with shape constraints", British Journal of
    Mathematical and Statistical Psychology 59, 2006, for the penalty on rises.
    """
    low, high = float(distances[0]), float(distances[-1])
    if not low < high:
        raise UserError(
            f"all pairs are at the distance {low:.4f}: the model tells nothing apart. Did its training collapse?"
        )
    scaled = (distances - low) / (high - low) * (_KNOTS - 1)
    left = np.minimum(scaled.astype(int), _KNOTS - 2)
    curve = _Curve(left, scaled - left)
    pairs = same + different
    weight = identities / same.sum()
    slopes = np.diff(np.eye(_KNOTS), axis=0)
    bends = np.diff(slopes, axis=0)
    smooth = _CURVATURE * (_KNOTS - 1) ** 3 * bends.T @ bends + _SLOPE * slopes.T @ slopes

    def penalty(values):
        rising = slopes[slopes @ values > 0]
        return smooth + _RISE * rising.T @ rising

    def loss(values):
        scores = curve(values)
        # log(1 + exp(x)) is −log of the probability of the other class.
        data = np.sum(same * np.logaddexp(0, -scores) + different * np.logaddexp(0, scores))
        return weight * data + values @ penalty(values) @ values / 2

    natural = logit(same.sum() / pairs.sum())
    values = np.full(_KNOTS, natural)
    best = loss(values)
    for _ in range(_STEPS):
        probabilities = sigmoid(curve(values))
        gradient = weight * curve.sums(pairs * probabilities - same) + penalty(values) @ values
        information = weight * curve.products(pairs * probabilities * (1 - probabilities))
        step = np.linalg.solve(information + penalty(values) + 1e-9 * np.eye(_KNOTS), gradient)
        step *= min(1, 4 / np.abs(step).max())
        while (now := loss(values - step)) > best and np.abs(step).max() > 1e-9:
            step /= 2
        if now > best:
            break
        values, best = values - step, now
        if np.abs(step).max() < 1e-6:
            break
    ratio = np.clip(values - natural, -math.log(identities + 1), math.log(identity_pairs + 1))
    return np.linspace(low, high, _KNOTS), np.minimum.accumulate(ratio)


class _Curve:
    """A piecewise linear curve at fixed places: each reads from the knot to its left and the next one."""

    def __init__(self, left, share):
        self.left, self.share = left, share

    def __call__(self, values):
        return values[self.left] * (1 - self.share) + values[self.left + 1] * self.share

    def sums(self, weights):
        """`Bᵀ w`, where `B` holds how much each place reads from each knot."""
        return self._at(0, weights * (1 - self.share)) + self._at(1, weights * self.share)

    def products(self, weights):
        """`Bᵀ diag(w) B`; only neighbours meet."""
        matrix = np.diag(self._at(0, weights * (1 - self.share) ** 2) + self._at(1, weights * self.share**2))
        between = self._at(0, weights * self.share * (1 - self.share))[:-1]
        return matrix + np.diag(between, 1) + np.diag(between, -1)

    def _at(self, offset, weights):
        return np.bincount(self.left + offset, weights, minlength=_KNOTS)
