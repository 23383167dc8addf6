"""How well identities were found over several cameras: IDF1 of boxes, and pairs and the Rand index of tracklets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class IdentifiedBoxes(Protocol):
    """Boxes of one camera with an identity each, such as `keras_reid.tracks.Boxes`.

    Attributes:
        frame: `(n,)` integers.
        track: `(n,)` integers, the identity; the same one in all cameras.
        xyxy: `(n, 4)`, left, top, right and bottom in pixels.
    """

    @property
    def frame(self) -> NDArray[Any]: ...
    @property
    def track(self) -> NDArray[Any]: ...
    @property
    def xyxy(self) -> NDArray[Any]: ...


@dataclass(frozen=True)
class IdentityScores:
    """IDF1 and the counts that it is made of.

    Args:
        true_positives: boxes that bear the identity that is matched with theirs.
        false_positives: other boxes of the prediction.
        false_negatives: other boxes of the ground truth.
    """

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def idp(self) -> float:
        """Identification precision: the share of predicted boxes that are right, 0–1; 0 if there are none."""
        return self.true_positives / max(1, self.true_positives + self.false_positives)

    @property
    def idr(self) -> float:
        """Identification recall: the share of true boxes that are found, 0–1; 0 if there are none."""
        return self.true_positives / max(1, self.true_positives + self.false_negatives)

    @property
    def idf1(self) -> float:
        """The harmonic mean of `idp` and `idr`, 0–1; 0 if there is no box at all."""
        boxes = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / max(1, boxes)


def identity_scores(
    truth: Mapping[str, IdentifiedBoxes], predicted: Mapping[str, IdentifiedBoxes], iou: float = 0.5
) -> IdentityScores:
    """IDF1, IDP and IDR over all cameras together.

    True and predicted identities are matched one to one, for all cameras at once, so that as many boxes as possible
    have matched identities and overlap in the same camera and frame:

        IDTP = max over matchings of Σ |{frames in which the two identities' boxes overlap}|
        IDF1 = 2 IDTP / (true boxes + predicted boxes)

    An object that bears two identities in two cameras is therefore right in one of them only. Takes
    O(identities³) for the matching, and `(true identities, predicted identities)` float64 of memory.

    Args:
        truth: camera → true boxes.
        predicted: camera → predicted boxes. A camera that only one of the two has counts with all its boxes.
        iou: smallest intersection over union of two boxes that overlap, above 0 and at most 1.

    Returns:
        `IdentityScores`.

    Raises:
        ValueError: if an identity has two boxes in one frame of a camera, or `iou` is out of range.

    Example:
        >>> import types
        >>> one = types.SimpleNamespace(frame=[0, 1], track=[7, 7], xyxy=[[0, 0, 10, 20], [1, 0, 11, 20]])
        >>> other = types.SimpleNamespace(frame=[0, 1], track=[3, 4], xyxy=one.xyxy)
        >>> identity_scores({"door": one}, {"door": other}).idf1
        0.5

    Source: Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking", ECCV
    Workshops 2016.
    """
    if not 0 < iou <= 1:
        raise ValueError(f"`iou` must be above 0 and at most 1. Received: iou={iou!r}")
    rows, columns = [], []
    totals = [0, 0]
    for camera in {**truth, **predicted}:
        sides = [_arrays(boxes.get(camera), camera) for boxes in (truth, predicted)]
        totals = [total + len(frame) for total, (frame, _, _) in zip(totals, sides, strict=True)]
        one, other = _in_one_frame(sides[0][0], sides[1][0])
        hit = _iou(sides[0][2][one], sides[1][2][other]) >= iou
        rows.append(sides[0][1][one[hit]])
        columns.append(sides[1][1][other[hit]])
    found = 0
    if rows and sum(map(len, rows)):
        from scipy.optimize import linear_sum_assignment

        table = contingency_table(np.concatenate(rows), np.concatenate(columns))
        found = int(table[linear_sum_assignment(table, maximize=True)].sum())
    return IdentityScores(found, totals[1] - found, totals[0] - found)


@dataclass(frozen=True)
class PairScores:
    """How many pairs of items were joined rightly.

    Args:
        precision: share of the joined pairs that are of one identity, 0–1; 1 if no pair is joined.
        recall: share of the pairs of one identity that are joined, 0–1; 1 if there is none.
        f1: their harmonic mean, 0–1.
    """

    precision: float
    recall: float
    f1: float


def pair_scores(truth: ArrayLike, predicted: ArrayLike) -> PairScores:
    """Precision, recall and F1 of the pairs that a grouping joins.

        precision = right / joined,  recall = right / same,  F1 = 2 right / (joined + same)

    where `joined` pairs have the same predicted label, `same` pairs the same identity, and `right` pairs both. Takes
    O(n) time for n items, and memory for identities × predicted labels.

    Args:
        truth: `(n,)` identities of the items, such as tracklets.
        predicted: `(n,)` labels of their groups. Only equality counts.

    Raises:
        ValueError: if the lengths differ.

    Example:
        >>> pair_scores([1, 1, 1, 2], [5, 5, 6, 6])
        PairScores(precision=0.5, recall=0.3333333333333333, f1=0.4)
    """
    right, joined, same, _ = _pairs(truth, predicted)
    return PairScores(
        precision=right / joined if joined else 1.0,
        recall=right / same if same else 1.0,
        f1=2 * right / (joined + same) if joined + same else 1.0,
    )


def adjusted_rand_index(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Agreement of two groupings: 1 if they are equal, about 0 for random ones, and below 0 for worse ones.

        ARI = (right - expected) / ((joined + same) / 2 - expected),  expected = joined · same / all

    in numbers of pairs, as in `pair_scores`; 1 if both groupings have one group, or both have only single items.

    Args:
        truth: `(n,)` identities of the items.
        predicted: `(n,)` labels of their groups. Only equality counts.

    Raises:
        ValueError: if the lengths differ.

    Example:
        >>> round(adjusted_rand_index([1, 1, 2, 2], [5, 5, 6, 7]), 4)
        0.5714

    Source: Hubert and Arabie, "Comparing partitions", Journal of Classification 2, 1985.
    """
    right, joined, same, every = _pairs(truth, predicted)
    expected = joined * same / every if every else 0.0
    highest = (joined + same) / 2
    return 1.0 if highest == expected else (right - expected) / (highest - expected)


def contingency_table(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.int64]:
    """How many items have each pair of labels.

    Args:
        truth: `(n,)` labels.
        predicted: `(n,)` labels.

    Returns:
        `(labels of truth, labels of predicted)` int64, both in ascending order.

    Example:
        >>> contingency_table([1, 1, 2], [5, 6, 6]).tolist()
        [[1, 1], [0, 1]]
    """
    rows, row = np.unique(truth, return_inverse=True)
    columns, column = np.unique(predicted, return_inverse=True)
    counts = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns))
    return counts.reshape(len(rows), len(columns)).astype(np.int64)


def _pairs(truth, predicted):
    """Numbers of pairs: right, joined, same, all."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(
            "`truth` and `predicted` must be lists of the same length. "
            f"Received: shapes {truth.shape} and {predicted.shape}"
        )
    table = contingency_table(truth, predicted)
    return (*(_choose_two(counts) for counts in (table, table.sum(0), table.sum(1))), _choose_two(len(truth)))


def _choose_two(counts):
    return int(np.sum(np.asarray(counts) * (np.asarray(counts) - 1)) // 2)


def _arrays(boxes, camera):
    """Frame, identity and corners of the boxes, sorted by frame; empty if there are none."""
    if boxes is None or not len(boxes.frame):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4))
    frame, track = np.asarray(boxes.frame), np.asarray(boxes.track)
    order = np.lexsort((track, frame))
    frame, track = frame[order], track[order]
    twice = np.flatnonzero((frame[1:] == frame[:-1]) & (track[1:] == track[:-1]))
    if len(twice):
        raise ValueError(
            f"camera {camera!r}: an identity must have at most one box in a frame. Received: two boxes of identity "
            f"{track[twice[0]]} in frame {frame[twice[0]]}"
        )
    return frame, track, np.asarray(boxes.xyxy, "float64")[order]


def _in_one_frame(truth, predicted):
    """All pairs of rows of two sorted lists of frames that hold the same frame."""
    start, stop = (np.searchsorted(predicted, truth, side=side) for side in ("left", "right"))
    counts = stop - start
    one = np.repeat(np.arange(len(truth)), counts)
    return one, np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts - start, counts)


def _iou(one, other):
    """Intersection over union `(n,)` of boxes `(n, 4)` each."""
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (one, other)]
    union = areas[0] + areas[1] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
