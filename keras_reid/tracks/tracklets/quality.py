"""How much a crop shows of its object, before it is embedded: from the boxes alone, and from its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.tracks.records import Boxes

PARTS = ("size", "whole", "clear", "shape")
_FULL_SIZE = (
    90.0  # pixels, root of the area: that of a crop of 128 × 64, which loses nothing at the usual input size
)
_TOUCHES = 0.002  # of the frame's width or height: detectors cut boxes at the edge, give or take a few pixels
_CUT = 0.5  # what a box at the edge is worth: its rest is outside, nobody knows how much
_SHAPE = 0.35  # deviation of log(height / width); the stride of somebody seen from the side changes it by 0.2
_REACH = 4  # pixels to each side over which `sharpness` blurs


def geometric_quality(boxes: Boxes, frame_size: tuple[int, int]) -> NDArray[np.float32]:
    """What the boxes of a camera say about the crops in them.

    - size: `min(1, √area / 90 px)`, so 1 from 128 × 64 pixels.
    - whole: the share of the box inside the frame; half of that if it touches an edge, where detectors cut boxes.
    - clear: `Π (1 − share of the box that another one covers)` over those boxes of the frame that are nearer to the
      camera. Nearer is what stands lower in the frame; of two at the lower edge, each counts as nearer.
    - shape: `exp(−log²(r / m) / (2 · 0.35²))`, with the ratio r of height to width and its median m in the track. It is
      low where a box holds only a part of the object, or two objects.

    Time grows with boxes × boxes in a frame.

    Args:
        boxes: of one camera, sorted by frame.
        frame_size: (height, width) of the camera's frames, pixels.

    Returns:
        `(n, 4)` float32 in 0–1, a column for each of `PARTS`.

    Raises:
        UserError: the frame's size is not positive.

    Example:
        >>> import types
        >>> box = types.SimpleNamespace(frame=np.array([0]), track=np.array([7]),
        ...                             xyxy=np.array([[10, 10, 42, 74]], np.float32))
        >>> geometric_quality(box, (1080, 1920)).round(2).tolist()
        [[0.5, 1.0, 1.0, 1.0]]
    """
    height, width = frame_size
    if height < 1 or width < 1:
        raise UserError(f"`frame_size` must be (height, width) in pixels, from 1. Received: {frame_size}.")
    xyxy = np.asarray(boxes.xyxy, np.float64)
    limits = np.array([width, height, width, height], float)
    inside = np.clip(xyxy, 0, limits)
    size = np.minimum(1, np.sqrt(_area(inside)) / _FULL_SIZE)
    margin = _TOUCHES * limits
    touches = (xyxy[:, :2] <= margin[:2]).any(axis=1) | (xyxy[:, 2:] >= (limits - margin)[2:]).any(axis=1)
    whole = _area(inside) / np.maximum(_area(xyxy), 1e-9) * np.where(touches, _CUT, 1)
    parts = [size, whole, _clear(inside, boxes.frame), _shape(xyxy, boxes.track)]
    return np.clip(np.stack(parts, axis=1), 0, 1).astype(np.float32)


def sharpness(crop: ArrayLike) -> float:
    """How much detail a crop would lose by blurring it: much if it is sharp, little if it is blurred already.

    `Σ max(0, |∇I| − |∇B|) / Σ |∇I|`, where B is the picture I averaged over 9 pixels along the direction of the
    difference ∇; the smaller value of the two directions. It does not depend on contrast.

    Args:
        crop: `(height, width, 3)` pixels.

    Returns:
        0 (no detail at all, or smaller than 2 × 2 pixels) … 1.

    Raises:
        UserError: another shape.

    Example:
        >>> sharpness(np.zeros((128, 64, 3), np.uint8))
        0.0

    Source: Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric",
    Human Vision and Electronic Imaging 2007.
    """
    crop = np.asarray(crop)
    if crop.ndim != 3 or crop.shape[-1] != 3:
        raise UserError(f"`crop` must have the shape (height, width, 3). Received: shape={crop.shape}.")
    if min(crop.shape[:2]) < 2:
        return 0.0
    grey = crop.mean(axis=-1, dtype=np.float32)
    return min(_lost(grey), _lost(grey.T))


def quality(geometry: ArrayLike, sharp: ArrayLike) -> NDArray[np.float32]:
    """One number for each crop, the weight that it deserves beside others of its tracklet.

    `√size · whole · clear² · shape · √sharp`

    Args:
        geometry: `(m, 4)` of `geometric_quality`.
        sharp: `(m,)` of `sharpness`.

    Returns:
        `(m,)` float32 in 0–1.

    Raises:
        UserError: other shapes, or a value outside 0–1.

    Example:
        >>> quality([[1.0, 1.0, 0.5, 1.0]], [0.25]).tolist()
        [0.125]
    """
    geometry, sharp = np.asarray(geometry, np.float64), np.asarray(sharp, np.float64)
    if geometry.ndim != 2 or geometry.shape[1] != len(PARTS) or sharp.shape != geometry.shape[:1]:
        raise UserError(
            f"`geometry` must have the shape (m, {len(PARTS)}) and `sharp` the shape (m,). "
            f"Received: {geometry.shape} and {sharp.shape}."
        )
    if not (_in_range(geometry) and _in_range(sharp)):
        raise UserError(
            "`geometry` and `sharp` must be 0 … 1, as `geometric_quality` and `sharpness` give them."
        )
    size, whole, clear, shape = geometry.T
    return (np.sqrt(size) * whole * clear**2 * shape * np.sqrt(sharp)).astype(np.float32)


def _in_range(values: NDArray[Any]) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())  # False for NaN


def _area(xyxy):
    return np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0), axis=1)


def _clear(xyxy, frame):
    """The share of each box that no nearer box covers."""
    clear, area = np.ones(len(xyxy)), np.maximum(_area(xyxy), 1e-9)
    bottom = xyxy[:, 3]
    for step in range(1, len(xyxy)):
        pairs = np.flatnonzero(
            frame[step:] == frame[:-step]
        )  # sorted by frame: a frame's boxes come together
        if not len(pairs):
            break
        one, other = pairs, pairs + step
        low, high = np.maximum(xyxy[one, :2], xyxy[other, :2]), np.minimum(xyxy[one, 2:], xyxy[other, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        for covered, nearer in ((one, other), (other, one)):
            hidden = np.where(bottom[nearer] >= bottom[covered], common / area[covered], 0)
            clear[covered] *= 1 - hidden  # within a step each box is `covered` once
    return clear


def _shape(xyxy, track):
    """How like the boxes of its track each box is in its ratio of height to width."""
    if not len(xyxy):
        return np.ones(0)
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-3)
    ratio = np.log(sides[:, 1] / sides[:, 0])
    _, row, counts = np.unique(track, return_inverse=True, return_counts=True)
    ordered = ratio[np.lexsort((ratio, row))]
    start = np.cumsum(counts) - counts
    median = (ordered[start + (counts - 1) // 2] + ordered[start + counts // 2]) / 2
    return np.exp(-((ratio - median[row]) ** 2) / (2 * _SHAPE**2))


def _lost(grey):
    """The share of the differences along the rows that blurring along the rows takes away."""
    padded = np.pad(grey, ((0, 0), (_REACH + 1, _REACH)), mode="edge")
    padded[:, 0] = 0
    sums = np.cumsum(padded, axis=1, dtype=np.float64)
    blurred = (sums[:, 2 * _REACH + 1 :] - sums[:, : -2 * _REACH - 1]) / (2 * _REACH + 1)
    before, after = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(blurred, axis=1))
    total = float(before.sum())
    return float(np.maximum(before - after, 0).sum()) / total if total else 0.0
