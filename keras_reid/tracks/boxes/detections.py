"""Boxes of objects such as `supervision.Detections`, read by their attributes: no package is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_reid.tracks.boxes.rows import NO_TRACK
from keras_reid.tracks.records import Boxes
from keras_reid.utils.errors import UserError


def boxes_of_detections(detections: Mapping[int, Any] | Iterable[Any]) -> Boxes:
    """The boxes of a video whose tracker gives an object a frame.

    Args:
        detections: the objects of the frames in their order, None for a frame without any; or a dict of frame number,
            from 0, to object. An object has `xyxy`, `(n, 4)` pixels; `tracker_id`, `(n,)` whole numbers, or None if
            it holds no box; and optionally `confidence`, `(n,)` of 0 to 1, or None. Boxes with the id −1 belong to
            no track and are left out.

    Raises:
        UserError: an object lacks one of them, or a box is impossible; the message names the frame.

    Example:
        >>> import types
        >>> one = types.SimpleNamespace(xyxy=[[10, 20, 30, 80]], tracker_id=[4], confidence=[0.9])
        >>> boxes_of_detections([one, None, one]).frame.tolist()
        [0, 2]
    """
    items = detections.items() if isinstance(detections, Mapping) else enumerate(detections)
    parts = [_of_frame(int(frame), one) for frame, one in items if one is not None]
    if not any(len(track) for _, track, _, _ in parts):
        raise UserError("`detections` must hold a box with a track. Received: none in any frame.")
    frame, track, xyxy, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Boxes.sorted(frame, track, xyxy, score)


def _of_frame(frame: int, one: Any) -> tuple[Any, Any, Any, Any]:
    name = f"detections of frame {frame}"
    if not hasattr(one, "xyxy") or not hasattr(one, "tracker_id"):
        raise UserError(f"{name} must have `xyxy` and `tracker_id`. Received: {type(one).__name__}.")
    xyxy = np.asarray(one.xyxy, np.float32).reshape(-1, 4)
    if len(xyxy) and one.tracker_id is None:
        raise UserError(f"{name} must have a `tracker_id`. Received: None. Let a tracker update them first.")
    track = np.asarray([] if one.tracker_id is None else one.tracker_id)
    track = track if len(track) else track.astype(np.int64)
    confidence = getattr(one, "confidence", None)
    score = np.ones(len(xyxy), np.float32) if confidence is None else np.asarray(confidence, np.float32)
    if track.dtype.kind not in "iu" or not track.shape == score.shape == (len(xyxy),):
        raise UserError(
            f"{name} must have a whole `tracker_id` and a `confidence` for each of {len(xyxy)} boxes. Received: "
            f"{track.dtype} {track.shape} and {score.shape}."
        )
    kept = track != NO_TRACK
    try:
        Boxes.sorted(np.full(kept.sum(), frame), track[kept], xyxy[kept], score[kept])
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return np.full(kept.sum(), frame), track[kept], xyxy[kept], score[kept]
