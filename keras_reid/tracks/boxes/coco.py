"""Boxes in COCO's JSON, with tracks as CVAT and others write them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from keras_reid.tracks.boxes.rows import NO_TRACK, Rows
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json

_MOST_BYTES = 2**30
_NUMBERS = ("frame_id", "frame_index")


def coco_rows(path: str | os.PathLike[str]) -> Rows:
    """The rows of a COCO file of one video: `annotations` with `image_id`, `bbox`, a track and perhaps a `score`.

    The track is `track_id` of an annotation or of its `attributes`. The frame is `frame_id` or `frame_index` where
    every image has it, and else the image's place in `images`, which then must list every frame.

    Args:
        path: the file, at most 1 GiB.

    Raises:
        UserError: the file is not such JSON, holds several videos, or no annotation has a track.
    """
    name = os.fspath(path)
    content = read_json(path, _MOST_BYTES)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(part), list) for part in ("images", "annotations")
    ):
        raise UserError(f"{name}: COCO's JSON must be an object with the lists `images` and `annotations`")
    key = _key(content["images"])
    frames = _frames(name, content["images"], key)
    rows = [_row(name, frames, place, one) for place, one in enumerate(content["annotations"])]
    values = np.array(rows, np.float64).reshape(-1, 7)
    if len(values) and (values[:, 1] == NO_TRACK).all():
        raise UserError(
            f"{name}: no annotation has a track: `track_id`, in it or in its `attributes`. These are detections, and a "
            "tracker makes tracks of them"
        )
    return Rows(
        file=name,
        place=lambda row: f"annotations[{row}]",
        frame=values[:, 0],
        track=values[:, 1],
        corner=values[:, 2:4],
        size=values[:, 4:6],
        score=values[:, 6],
        first_frame=0,
        numbered=key is not None,
    )


def _key(images: list[Any]) -> str | None:
    """What numbers the frames, if every image has it."""
    return next(
        (key for key in _NUMBERS if all(isinstance(one, dict) and key in one for one in images)), None
    )


def _frames(name: str, images: list[Any], key: str | None) -> dict[Any, Any]:
    """Frame number of each image's id."""
    if not all(isinstance(one, dict) and isinstance(one.get("id"), (int, str)) for one in images):
        raise UserError(f"{name}: each of `images` must have an `id`, a number or a text")
    videos = {str(one["video_id"]) for one in images if "video_id" in one}
    if len(videos) > 1:
        raise UserError(
            f"{name}: must hold one video. Received: {len(videos)} values of `video_id`: split it"
        )
    frames = {one["id"]: place if key is None else one[key] for place, one in enumerate(images)}
    if len(frames) < len(images):
        raise UserError(f"{name}: two of `images` have the same `id`")
    return frames


def _row(name: str, frames: dict[Any, Any], place: int, one: Any) -> list[float]:
    try:
        left, top, width, height = one["bbox"]
        attributes = one.get("attributes") or {}
        track = one.get("track_id", attributes.get("track_id"))
        track = NO_TRACK if track is None else track
        frame = frames[one["image_id"]]
        return [float(value) for value in (frame, track, left, top, width, height, one.get("score", 1))]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(
            f"{name}: annotations[{place}]: must have an `image_id` of `images`, a `bbox` [left, top, width, height] "
            f"and a `track_id` that is a number. Received: {str(one)[:80]}"
        ) from None
