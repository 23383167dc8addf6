"""Thresholds by pair of cameras, shrunk towards the common one, and a conservative one for other cameras."""

import dataclasses
import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.roc import RocCurve
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

_REACH = 4  # pairs are looked at up to the distance that accepts so many times the wanted share
_LEAST_ACCEPTED = 10  # pairs that a threshold of a pair of cameras is read from
_LEAST_IDENTITIES = 10
_LEAST_CAMERAS = 3  # from two nobody knows how much cameras differ
_CONFIDENCE = 0.9
_MOST_KEPT = 300  # pairs of cameras: about 50 kB in a model's metadata; the others get the common threshold


@dataclasses.dataclass(frozen=True)
class CameraThreshold:
    """The threshold for a decision on two images, and what is said of it.

    Args:
        threshold: accept distances below it.
        remark: why it is not that of the pair of cameras; None if it is.
    """

    threshold: float
    remark: str | None = None


def camera_threshold(
    stored: Mapping[str, Any] | None, cameras: Sequence[Any], common: float
) -> CameraThreshold:
    """The threshold of a pair of cameras, from what a calibration keeps.

    Args:
        stored: `Calibration.cameras`: what `fit_camera_thresholds` returned, or None.
        cameras: names of the two cameras, in any order.
        common: threshold over all pairs of cameras.

    Raises:
        UserError: there are not two cameras.

    Example:
        >>> stored = {"names": ["a", "b"], "other": 0.2, "pairs": [{"cameras": ["a", "b"], "threshold": 0.3}]}
        >>> camera_threshold(stored, ("b", "a"), 0.25).threshold
        0.3
        >>> camera_threshold(stored, ("a", "z"), 0.25)
        CameraThreshold(threshold=0.2, remark='camera z was not calibrated: the conservative threshold applies')
    """
    if isinstance(cameras, str) or len(cameras) != 2:
        raise UserError(f"`cameras` must name two cameras, one for each image. Received: {cameras!r}.")
    if not stored:
        return CameraThreshold(common, "the calibration knows no cameras: the common threshold applies")
    names = [str(camera) for camera in cameras]
    others = [name for name in dict.fromkeys(names) if name not in stored["names"]]
    if others:
        what = f"camera {others[0]} was" if len(others) == 1 else f"cameras {' and '.join(others)} were"
        return CameraThreshold(
            float(stored["other"]), f"{what} not calibrated: the conservative threshold applies"
        )
    for pair in stored["pairs"]:
        if sorted(pair["cameras"]) == sorted(names):
            return CameraThreshold(float(pair["threshold"]))
    return CameraThreshold(common)


def fit_camera_thresholds(
    query: Features,
    gallery: Features,
    metric: str,
    truth: GroundTruth,
    curve: RocCurve,
    false_positive_rate: float,
    names: Mapping[int, str] | None = None,
    memory: int | None = None,
) -> dict[str, Any] | None:
    """A threshold for each pair of cameras that has enough pairs of images, and one for cameras not seen here.

    Of each pair of cameras p the threshold t_p that accepts the wanted share of its different pairs is measured, and
    shrunk towards the common one t:

    `threshold_p = t + w_p (t_p − t)`, `w_p = τ² / (τ² + σ_p²)`

    σ_p is the standard error of t_p with identities as the unit: every pair of images belongs to two identities, and
    pairs that share one are not independent. τ is how much pairs of cameras differ beyond that, from the spread of the
    t_p. A pair of cameras with few identities or pairs thus gets the common threshold. For a camera that was not
    calibrated, the thresholds of the single cameras (their pairs with all others) are taken as a sample:

    `other = mean − z₀.₉ √(s² (1 + 1/n) + σ²)`, at most the common one,

    with the standard error σ of the common threshold. The threshold of the next camera lies below it with a probability
    of one in ten.

    Time: that of the distances once, and a sort of the accepted different pairs. Memory: 24 bytes for each different
    pair below the distance that accepts four times the share, and `memory` for the distances.

    Args:
        query, gallery, metric, truth, memory: as in `count_pairs`.
        curve: the `RocCurve` of all pairs.
        false_positive_rate: share of different pairs that a threshold may accept.
        names: number of a camera → its name; None: the numbers.

    Returns:
        A dict for JSON: `names`; `other`, the threshold for cameras that are not among them;
        `common_false_positive_rate`, the interval of 90 % at the common threshold; `pairs`, a list of dicts
        with `cameras` (two names), `threshold`, `weight` (w_p), `false_positive_rate` (interval of 90 % at this
        threshold), `identities` and `pairs` of images; at most 300, those farthest from the common
        threshold. None if cameras are unknown, or fewer than 3.

    Source: Efron and Morris, "Stein's estimation rule and its competitors: an empirical Bayes approach", JASA 68, 1973;
    Fafchamps and Gubert, "The formation of risk sharing networks", Journal of Development Economics 83, 2007, for the
    variance of what belongs to two at a time. The original has no calibration.
    """
    if query.cameras is None or gallery.cameras is None:
        return None
    cameras = np.union1d(query.cameras, gallery.cameras)
    cameras = cameras[cameras >= 0]
    if len(cameras) < _LEAST_CAMERAS:
        return None
    reach = curve.threshold_at(min(1.0, _REACH * false_positive_rate))
    common = curve.threshold_at(false_positive_rate)
    near = _NearPairs(query, gallery, cameras, _near_pairs(query, gallery, metric, truth, reach, memory))

    def group(*pairs):
        return _Group(near, pairs, common, false_positive_rate, reach)

    pairs = list(itertools.combinations_with_replacement(range(len(cameras)), 2))
    groups = [group(pair) for pair in pairs]
    shifts, errors = _shifts(groups, common)
    between = max(0.0, float(np.mean(shifts**2 - errors**2))) if len(shifts) else 0.0
    label = [str((names or {}).get(int(camera), camera)) for camera in cameras]
    rows = []
    for pair, one in zip(pairs, groups, strict=True):
        weight = between / (between + one.error**2) if one.enough else 0.0
        threshold = common + weight * (one.threshold - common)
        rows.append(
            {
                "cameras": [label[number] for number in pair],
                "threshold": float(threshold),
                "weight": float(weight),
                "false_positive_rate": one.interval(threshold),
                "identities": one.identities,
                "pairs": one.pairs,
            }
        )
    whole = group(*pairs)
    single, _ = _shifts(
        [group(*(pair for pair in pairs if number in pair)) for number in range(len(cameras))], common
    )
    return {
        "names": label,
        "other": _conservative(single, whole.error, common),
        "common_false_positive_rate": whole.interval(common),
        "pairs": _most_apart([row for row in rows if row["pairs"]], common),
    }


def _most_apart(rows, common):
    """At most `_MOST_KEPT` of the rows, those farthest from the common threshold, in their order."""
    order = sorted(range(len(rows)), key=lambda place: -abs(rows[place]["threshold"] - common))
    return [rows[place] for place in sorted(order[:_MOST_KEPT])]


def _conservative(shifts, error, common):
    """The threshold below which that of the next camera lies with a probability of one in ten."""
    if len(shifts) < _LEAST_CAMERAS:
        return float(common)
    spread = np.sqrt(shifts.var(ddof=1) * (1 + 1 / len(shifts)) + error**2)
    return float(common + min(0.0, shifts.mean() - statistics.NormalDist().inv_cdf(_CONFIDENCE) * spread))


def _shifts(groups, common):
    """How far the own thresholds of groups lie from the common one, and their errors, where there are enough pairs."""
    enough = [group for group in groups if group.enough]
    return np.array([group.threshold - common for group in enough]), np.array(
        [group.error for group in enough]
    )


class _NearPairs:
    """The different pairs that are near, sorted by their pair of cameras, and what they are a share of.

    Args:
        query, gallery: `Features`.
        cameras: sorted numbers of the cameras.
        near: `(queries, items, distances)`.
    """

    def __init__(self, query, gallery, cameras, near):
        identities = np.union1d(query.identities, gallery.identities)
        numbered = [
            (
                np.where(np.isin(part.cameras, cameras), np.searchsorted(cameras, part.cameras), -1),
                np.searchsorted(identities, part.identities),
            )
            for part in (query, gallery)
        ]
        # How many images each identity has at each camera, as queries and in the gallery.
        self.counts = [np.zeros((len(cameras), len(identities)), np.int64) for _ in numbered]
        for counts, (camera, identity) in zip(self.counts, numbered, strict=True):
            np.add.at(counts, (camera[camera >= 0], identity[camera >= 0]), 1)
        queries, items, distances = near
        one, other = numbered[0][0][queries], numbered[1][0][items]
        known = (one >= 0) & (other >= 0)
        self.size = len(cameras)
        codes = (np.minimum(one, other) * self.size + np.maximum(one, other))[known]
        order = np.argsort(codes, kind="stable")
        self._codes = codes[order]
        self._columns = [
            column[known][order] for column in (distances, numbered[0][1][queries], numbered[1][1][items])
        ]

    def of(self, pairs):
        """`(distances, query identities, gallery identities)` of some pairs of cameras, nearest first."""
        codes = np.array([a * self.size + b for a, b in pairs])
        starts, stops = (np.searchsorted(self._codes, codes, side) for side in ("left", "right"))
        chosen = np.concatenate([np.arange(*bounds) for bounds in zip(starts, stops, strict=True)])
        chosen = chosen[np.argsort(self._columns[0][chosen], kind="stable")]
        return tuple(column[chosen] for column in self._columns)

    def totals(self, pairs):
        """`(identities,)`: in how many different pairs of images each identity is; each pair counts for two."""
        total = np.zeros(self.counts[0].shape[1], np.int64)
        for a, b in pairs:
            for one, other in {(a, b), (b, a)}:
                first, second = self.counts[0][one], self.counts[1][other]
                total += first * (second.sum() - second) + second * (first.sum() - first)
        return total


class _Group:
    """The different pairs of images of some pairs of cameras.

    Args:
        near: `_NearPairs`.
        members: pairs of cameras, `(a, b)` with a ≤ b.
        common: the common threshold.
        rate: share of different pairs that a threshold may accept.
        reach: the distance up to which pairs are known.
    """

    def __init__(self, near, members, common, rate, reach):
        self._total, self._reach, self._wanted = near.totals(members), reach, rate
        self.pairs, self.identities = int(self._total.sum()) // 2, int(np.count_nonzero(self._total))
        self._distances, *self._sides = near.of(members)
        self.enough = rate * self.pairs >= _LEAST_ACCEPTED and self.identities >= _LEAST_IDENTITIES
        self.threshold, self.error = common, 0.0
        if self.enough:
            self.threshold = self._quantile(rate)
            _, spread = self._rate(common)
            self.error = (self._quantile(rate + spread) - self._quantile(max(rate - spread, 0.0))) / 2 + 1e-9

    def interval(self, threshold):
        """`[low, high]`, 90 %, of the false-positive rate at a threshold; None for too few pairs."""
        if not self.enough:
            return None
        rate, spread = self._rate(threshold)
        margin = statistics.NormalDist().inv_cdf((1 + _CONFIDENCE) / 2) * spread
        return [max(0.0, rate - margin), min(1.0, rate + margin)]

    def _rate(self, threshold):
        """Share of the pairs below a threshold, and its standard error with identities as the unit."""
        below = int(np.searchsorted(self._distances, threshold, side="left"))
        accepted = sum(np.bincount(side[:below], minlength=len(self._total)) for side in self._sides)
        rate = below / self.pairs
        spread = float(np.sqrt(np.sum((accepted - rate * self._total) ** 2)) / self.pairs)
        # From n identities no rate is known better than to one part in √n.
        return rate, max(spread, self._wanted / self.identities**0.5)

    def _quantile(self, share):
        """The distance that accepts a share of the pairs, as far as it is known."""
        place = int(share * self.pairs)
        return float(self._distances[place]) if place < len(self._distances) else self._reach


def _near_pairs(query, gallery, metric, truth, most, memory):
    """`(queries, items, distances)` of the different pairs nearer than `most`."""
    size = None if memory is None else max(1, memory // (16 * max(1, len(gallery))))
    found = []
    distances = Distances(query, gallery, metric, size)
    with progress("comparing cameras", total=len(query), unit="queries") as advance:
        for start, block in distances.blocks():
            rows, columns = np.nonzero(block < most)
            different = query.identities[start + rows] != gallery.identities[columns]
            rows, columns = rows[different], columns[different]
            found.append((start + rows, columns, block[rows, columns]))
            advance(len(block))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))
