"""Which boxes of a track are worth embedding: a few, spread over its time, each the best around."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.tracks.records import Boxes
from keras_reid.utils.errors import UserError


def sample(
    boxes: Boxes, seconds: ArrayLike, quality: ArrayLike, every: float = 0.2, most: int = 24
) -> NDArray[np.int64]:
    """The rows of boxes to embed.

    The time of each track is cut into windows of `max(every, duration / most)` seconds, and of each the box of the best
    quality is taken, the earlier one of equals. Boxes of quality 0 are never taken.

    Time: that of sorting the boxes.

    Args:
        boxes: of one camera.
        seconds: `(n,)`, time of each box.
        quality: `(n,)`, 0 to 1, of each box, from the boxes alone.
        every: seconds, least length of a window; 0 takes every box of short tracks. Defaults to 0.2.
        most: most boxes of a track. Defaults to 24.

    Returns:
        int64 `(m,)`, rising.

    Raises:
        UserError: `every` is negative or not finite, or `most` below 1.

    Example:
        >>> boxes = Boxes.sorted([0, 1, 2], [7, 7, 7], [[0, 0, 9, 20]] * 3)
        >>> sample(boxes, [0.0, 0.1, 0.2], [0.5, 0.9, 0.7], every=0.15).tolist()
        [1, 2]
    """
    check_sampling(every, most)
    seconds, quality = np.asarray(seconds, np.float64), np.asarray(quality, np.float64)
    good = np.flatnonzero(quality > 0)
    if not len(good):
        return good
    _, group = np.unique(boxes.track[good], return_inverse=True)
    first = np.full(group.max() + 1, np.inf)
    last = np.full(group.max() + 1, -np.inf)
    np.minimum.at(first, group, seconds[good])
    np.maximum.at(last, group, seconds[good])
    width = np.maximum(every, (last - first) / most)[group]
    since = seconds[good] - first[group]
    # A frame's time is rounded: what lies on an edge belongs to the later window. The end belongs to the last one.
    window = np.floor(np.divide(since, width, out=np.zeros_like(since), where=width > 0) + 1e-6)
    window = np.minimum(window, most - 1).astype(np.int64)
    order = np.lexsort((seconds[good], -quality[good], window, group))
    begins = np.append(True, (np.diff(window[order]) != 0) | (np.diff(group[order]) != 0))
    return np.sort(good[order[begins]])


def check_sampling(every: Any, most: Any) -> None:
    """Refuses settings of `sample` that make no sense, with the names of the command's options."""
    if not (math.isfinite(every) and every >= 0):
        raise UserError(f"--every must be 0 or more seconds. Received: {every}")
    if most < 1:
        raise UserError(f"--most must be at least 1 crop of a track. Received: {most}")


def visible(boxes: Boxes, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes show at least one whole pixel of the frame.

    Args:
        boxes: of one camera.
        frame_size: `(height, width)` in pixels.

    Example:
        >>> visible(Boxes.sorted([0, 1], [7, 7], [[-9, 0, -1, 20], [-5, 0, 4, 20]]), (100, 200)).tolist()
        [False, True]
    """
    height, width = frame_size
    low = np.maximum(boxes.xyxy[:, :2], 0)
    high = np.minimum(boxes.xyxy[:, 2:], np.array([width, height], np.float32))
    return np.all(high - low >= 1, axis=1)
