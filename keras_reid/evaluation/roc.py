"""Verification: how many pairs of one identity are accepted at how many false ones, in bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError

_DROPPED_BITS = 10  # of the 23 of a float32's fraction
_PIECE = 2**20
FALSE_POSITIVE_RATES = (1e-4, 1e-3, 1e-2)


@dataclasses.dataclass(frozen=True, eq=False)
class RocCurve:
    """Shares of the pairs that a threshold on the distance accepts.

    A pair of a query and a gallery item (junk left out) is positive where both have the same identity. It is
    accepted where its distance is below the threshold; `tpr` and `fpr` are the accepted shares of the positive and of
    the negative pairs.

    The points are exact: each threshold is the edge of a bin of the histogram, which says how many pairs lie below.
    Between two edges (a float32 without its last 10 bits, 1.2e-4 of the distance) the order of pairs is unknown. Each
    number comes with the error that this may cause.

    Args:
        thresholds: `(points,)` ascending distances; the first accepts nothing, the last everything.
        tpr: `(points,)` true-positive rates, 0 … 1.
        fpr: `(points,)` false-positive rates, 0 … 1.
        num_positive_pairs, num_negative_pairs: pairs counted.

    Example:
        >>> import numpy as np
        >>> half = np.array([0.0, 0.5, 1.0])
        >>> curve = RocCurve(half, tpr=np.array([0.0, 1.0, 1.0]), fpr=np.array([0.0, 0.0, 1.0]),
        ...                  num_positive_pairs=4, num_negative_pairs=9)
        >>> curve.auc, curve.equal_error_rate
        (1.0, 0.0)

    Source: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006. The original takes
    *different* identities for the positive class, so that its TPR@FPR is the share of different pairs rejected at a
    share of same pairs rejected; the AUC is the same.
    """

    thresholds: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray
    num_positive_pairs: int
    num_negative_pairs: int

    @property
    def auc(self) -> float:
        """Area under the curve: the chance that a positive pair is nearer than a negative one, a tie counting half."""
        return float(np.sum(np.diff(self.fpr) * (self.tpr[1:] + self.tpr[:-1])) / 2)

    @property
    def auc_error(self) -> float:
        """How far `auc` may be off, because pairs in one bin count as tied."""
        return float(np.sum(np.diff(self.fpr) * np.diff(self.tpr)) / 2)

    def tpr_at(self, fpr: float) -> float:
        """The true-positive rate at the largest threshold with at most this false-positive rate; never too high."""
        return float(self.tpr[self._last(fpr)])

    def tpr_error(self, fpr: float) -> float:
        """How much higher `tpr_at(fpr)` might be if the next bin were known in detail."""
        last = self._last(fpr)
        return float(self.tpr[min(last + 1, len(self.tpr) - 1)] - self.tpr[last])

    def threshold_at(self, fpr: float) -> float:
        """The threshold of `tpr_at(fpr)`: accept what is below it."""
        return float(self.thresholds[self._last(fpr)])

    @property
    def equal_error_rate(self) -> float:
        """The rate at which as many positive pairs are rejected as negative ones accepted, between edges linear."""
        after = int(np.argmax(self.fpr >= 1 - self.tpr))
        before = after - 1
        gap = (1 - self.tpr - self.fpr)[[before, after]]  # positive before, not after
        share = gap[0] / (gap[0] - gap[1])
        return float(self.fpr[before] + share * (self.fpr[after] - self.fpr[before]))

    @property
    def equal_error_rate_error(self) -> float:
        """How far `equal_error_rate` may be off."""
        after = int(np.argmax(self.fpr >= 1 - self.tpr))
        return float(max(self.fpr[after] - self.fpr[after - 1], self.tpr[after] - self.tpr[after - 1]))

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain numbers, for JSON."""
        return {
            "auc": self.auc,
            "auc_error": self.auc_error,
            "eer": self.equal_error_rate,
            "eer_error": self.equal_error_rate_error,
            "tpr_at_fpr": {f"{rate:.0e}": self.tpr_at(rate) for rate in FALSE_POSITIVE_RATES},
            "tpr_error": {f"{rate:.0e}": self.tpr_error(rate) for rate in FALSE_POSITIVE_RATES},
            "num_positive_pairs": self.num_positive_pairs,
            "num_negative_pairs": self.num_negative_pairs,
        }

    def _last(self, fpr):
        return int(np.searchsorted(self.fpr, fpr, side="right")) - 1


class RocHistogram:
    """Counts positive and negative pairs by distance, block by block.

    A bin holds the distances that agree in all but the last 10 bits of a float32, so the range need not be known in
    advance. Memory: 16 bytes for each bin between the smallest and the largest distance, which are 8192 for each
    doubling: 64 MiB at most.
    """

    def __init__(self) -> None:
        self.low, self.all, self.positive = 0, np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(
        self, block: NDArray[Any], positives: Sequence[NDArray[Any]], junk: Sequence[NDArray[Any]]
    ) -> None:
        """Adds a block of distances.

        Args:
            block: `(rows, gallery)`.
            positives, junk: for each row, the positions of its matches, and of its junk.
        """
        for start in range(0, block.size, _PIECE):
            self._add("all", block.reshape(-1)[start : start + _PIECE], 1)
        for lists, name, sign in ((positives, "positive", 1), (junk, "all", -1)):
            rows = np.repeat(np.arange(len(block)), [len(positions) for positions in lists])
            self._add(name, block[rows, np.concatenate(lists)], sign)

    def curve(self) -> RocCurve:
        """`RocCurve` of all that was added.

        Raises:
            UserError: there are no positive pairs, or no negative ones.
        """
        negative = self.all - self.positive
        if not self.positive.sum() or not negative.sum():
            raise UserError(
                "a ROC curve needs pairs of one identity and pairs of different ones. "
                f"Received: {self.positive.sum()} and {negative.sum()}."
            )
        used = np.flatnonzero(self.all)
        edges = _value(self.low + np.append(used[0], used + 1))
        tpr, fpr = (np.append(0, np.cumsum(counts[used])) for counts in (self.positive, negative))
        return RocCurve(edges, tpr / tpr[-1], fpr / fpr[-1], int(tpr[-1]), int(fpr[-1]))

    def _add(self, name, distances, sign):
        if not len(distances):
            return
        bins = _bin(distances)
        least, most = int(bins.min()), int(bins.max())
        self._reach(least, most)
        counts = np.bincount(bins - least)
        getattr(self, name)[least - self.low : least - self.low + len(counts)] += sign * counts

    def _reach(self, least, most):
        low = min(least, self.low) if len(self.all) else least
        high = max(most + 1, self.low + len(self.all)) if len(self.all) else most + 1
        if low == self.low and high == low + len(self.all):
            return
        before, after = self.low - low if len(self.all) else 0, 0
        after = high - low - before - len(self.all)
        self.all, self.positive = (np.pad(counts, (before, after)) for counts in (self.all, self.positive))
        self.low = low


def _bin(distances):
    """Number of the bin of each distance; ascending with it."""
    bits = np.ascontiguousarray(distances, np.float32).view(np.int32)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits) >> _DROPPED_BITS


def _value(bins):
    """The lower edge of each bin."""
    bits = bins.astype(np.int64) << _DROPPED_BITS
    magnitude = np.minimum(np.abs(bits), 0x7F800000).astype(np.int32).view(np.float32)
    return np.where(bits < 0, -magnitude, magnitude).astype(np.float64)
