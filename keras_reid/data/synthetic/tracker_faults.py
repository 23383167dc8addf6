"""What a tracker makes of the people in a video: their boxes, with the usual faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrackerFaults:
    """How often and how badly a tracker errs.

    Args:
        jitter: standard deviation of each edge of a box, as a share of the box's width or height.
        missed: share of boxes that are missing, at random.
        hidden: a box is missing, too, where less than this share of the person is visible, 0–1.
        breaks: how often somebody gets a new id for no reason, per second.
        patience: somebody who was missing for more than this many seconds gets a new id.
        switches: probability that two people exchange their ids when one walks in front of the other, 0–1.

    Example:
        >>> TrackerFaults(jitter=0, missed=0, hidden=0, breaks=0, switches=0)  # a perfect tracker
        TrackerFaults(jitter=0, missed=0, hidden=0, breaks=0, patience=1.0, switches=0)
    """

    jitter: float = 0.03
    missed: float = 0.05
    hidden: float = 0.3
    breaks: float = 0.03
    patience: float = 1.0
    switches: float = 0.25


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The people of one camera, sorted by frame, then identity.

    Args:
        frame: `(n,)` int64, from 0.
        identity: `(n,)` int64, from 1.
        xyxy: `(n, 4)` float64 left, top, right, bottom in pixels, of the whole person, also outside the frame.
        visible: `(n,)` float64, the share of the person that is in the frame and that nobody hides, 0–1.
    """

    frame: NDArray[np.int64]
    identity: NDArray[np.int64]
    xyxy: NDArray[np.float64]
    visible: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrackedBoxes:
    """What the tracker reports, sorted by frame, then id.

    Args:
        frame: `(m,)` int64, from 0.
        track: `(m,)` int64, the tracker's id, from 1.
        xyxy: `(m, 4)` float64 left, top, right, bottom in pixels.
        score: `(m,)` float64, the detector's, 0–1.
        identity: `(m,)` int64, who it is in truth.
    """

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    xyxy: NDArray[np.float64]
    score: NDArray[np.float64]
    identity: NDArray[np.int64]


_IN_FRONT = 0.4  # people walk in front of each other if their boxes share this part of the smaller box
_SCORE = (0.5, 0.45, 0.05)  # of somebody hidden, more for somebody visible, and its spread


def tracked(boxes: TrueBoxes, faults: TrackerFaults, fps: float, rng: np.random.Generator) -> TrackedBoxes:
    """The boxes and ids that a tracker with these faults would report.

    An id that two people exchanged stays exchanged: each of the two ids then shows first one person and later the
    other.

    Args:
        boxes: the truth, of one camera.
        faults: how often it errs.
        fps: frames a second.
        rng: draws the faults.

    Example:
        >>> truth = TrueBoxes(np.array([0, 1]), np.array([1, 1]), np.array([[0, 0, 9, 20.0]] * 2), np.ones(2))
        >>> perfect = TrackerFaults(jitter=0, missed=0, hidden=0, breaks=0, switches=0)
        >>> tracked(truth, perfect, 5, np.random.default_rng(0)).track.tolist()
        [1, 1]
    """
    count = len(boxes.frame)
    found = (boxes.visible >= faults.hidden) & (rng.random(count) >= faults.missed)
    broken = rng.random(count) < faults.breaks / fps
    patience = faults.patience * fps  # frames
    track = np.zeros(count, np.int64)
    bears: dict[int, int] = {}  # identity → id
    seen: dict[int, int] = {}  # identity → last frame
    met: dict[tuple[int, int], int] = {}  # two identities → last frame in which one was in front of the other
    ids = 0
    for frame in np.unique(boxes.frame):
        rows = np.flatnonzero((boxes.frame == frame) & found)
        for row in rows:
            identity = int(boxes.identity[row])
            if identity not in bears or frame - seen[identity] - 1 > patience or broken[row]:
                ids += 1
                bears[identity] = ids
            seen[identity] = frame
        for one, other in _in_front(boxes.xyxy[rows]):
            pair = (int(boxes.identity[rows[one]]), int(boxes.identity[rows[other]]))
            if frame - met.get(pair, -np.inf) > patience and rng.random() < faults.switches:
                bears[pair[0]], bears[pair[1]] = bears[pair[1]], bears[pair[0]]
            met[pair] = frame
        track[rows] = [bears[int(identity)] for identity in boxes.identity[rows]]
    size = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    xyxy = boxes.xyxy + np.tile(size, 2) * rng.normal(0, faults.jitter, (count, 4))
    hidden, more, spread = _SCORE
    score = np.clip(hidden + more * boxes.visible + rng.normal(0, spread, count), 0.01, 1)
    kept = np.flatnonzero(found)
    kept = kept[np.lexsort((track[kept], boxes.frame[kept]))]
    return TrackedBoxes(boxes.frame[kept], track[kept], xyxy[kept], score[kept], boxes.identity[kept])


def _in_front(xyxy):
    """Pairs of boxes of which one covers a good part of the other."""
    low = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    covered = common >= _IN_FRONT * np.minimum(area[:, None], area[None, :])
    return np.argwhere(np.triu(covered, 1))
