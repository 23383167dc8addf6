"""From frames and a tracker's boxes to `Tracks`."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.tracks.frames import FrameSource
from keras_reid.tracks.records import Boxes, Crops, Tracklets, Tracks
from keras_reid.tracks.tracklets.crops import embed_crops
from keras_reid.tracks.tracklets.partial import Partial
from keras_reid.tracks.tracklets.quality import geometric_quality, quality
from keras_reid.tracks.tracklets.sampling import check_sampling, sample, visible
from keras_reid.tracks.tracklets.summaries import summarise
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder

_VERSION = 1  # changes with what chunks hold
_LEAST = 1e-6  # quality of a box that nothing speaks for: better than none of the track


def check_boxes(frames: FrameSource, boxes: Boxes, file: str = "boxes") -> None:
    """Refuses boxes that cannot be those of a video.

    Args:
        frames: the video.
        boxes: its tracker's.
        file: what messages call the boxes.

    Raises:
        UserError: a frame lies beyond the end, or no box touches its frame.
    """
    last = int(boxes.frame[-1]) if len(boxes) else -1
    if last < 0:
        raise UserError(f"{file}: holds no boxes")
    if last >= frames.count:
        many = int((boxes.frame >= frames.count).sum())
        raise UserError(
            f"{file}: {many} of {len(boxes)} boxes are in frames beyond the end of {frames.name}, which has "
            f"{frames.count} frames; the last box is in frame {last}, counted from 0. Are these the boxes of another "
            "video, or are frames counted otherwise (--first-frame)?"
        )
    if not visible(boxes, frames.size).any():
        height, width = frames.size
        left, top, right, bottom = (f"{one:g}" for one in boxes.xyxy[0])
        raise UserError(
            f"{file}: all {len(boxes)} boxes lie outside of the frames of {frames.name}, {width} × {height} pixels; "
            f"the first is {left}, {top} to {right}, {bottom}. Are these the boxes of another video, or not in pixels?"
        )


def make_tracks(
    frames: FrameSource,
    boxes: Boxes,
    embedder: Embedder,
    model: ModelIdentity | None = None,
    *,
    camera: str,
    start: datetime.datetime | None = None,
    every: float = 0.2,
    most: int = 24,
    skip_bad: bool = False,
    partial: str | os.PathLike[str] | None = None,
) -> Tracks:
    """Embeds a video's boxes, a sample of each track, and makes tracklets of them.

    Memory: some 300 bytes a box, 4·dim bytes a crop, a picture a tracklet, and what `embed_crops` needs, which does not
    grow with the length of the video. The pictures of all crops, some 10 kB each, wait on disk in `partial`.

    Args:
        frames: `keras_reid.tracks.frames.open_frames(path)`.
        boxes: `keras_reid.tracks.boxes.read_boxes(path)`.
        embedder: the model.
        model: its identity; None: `ModelIdentity.of(embedder)`.
        camera: its name.
        start: when the video began, with a zone.
        every, most: as of `sampling.sample`: seconds between crops of a track, and their number.
        skip_bad: leave out frames that cannot be read, instead of stopping. Defaults to False.
        partial: folder in which finished work is kept, and found again by the next call; it stays until the caller
            removes it. None: a temporary one.

    Raises:
        UserError: boxes and video do not fit together, a frame cannot be read, or no crop is left.

    Example:
        >>> tracks = make_tracks(open_frames("hall.mp4"), read_boxes("hall.txt"), embedder, camera="hall")
        ... # doctest: +SKIP
        >>> tracks.tracklets.embedding.shape  # doctest: +SKIP
        (57, 512)
    """
    check_boxes(frames, boxes)
    check_sampling(every, most)
    if start is not None and start.tzinfo is None:
        raise UserError(f"`start` must have a zone. Received: {start.isoformat()}.")
    model = model or ModelIdentity.of(embedder)
    geometry = geometric_quality(boxes, frames.size)
    before = np.maximum(quality(geometry, np.ones(len(boxes))), _LEAST)
    before[~visible(boxes, frames.size)] = 0
    rows = sample(boxes, frames.seconds(boxes.frame), before, every, most)
    kind = {"version": _VERSION, "frames": frames.identity, "boxes": _digest(boxes), "model": model.key}
    kind |= {"every": every, "most": most}
    with _folder(partial) as folder, Partial(folder, kind) as chunks:
        if chunks.discarded:
            print(f"{folder}: was made of other input, and is made anew", file=sys.stderr)
        elif chunks.done:
            print(f"{frames.name}: {chunks.done} of {len(rows)} crops are there from before", file=sys.stderr)
        embed_crops(frames, boxes, rows, embedder, chunks, skip_bad)
        missing = len(rows) - sum(len(one.place) for one in chunks.chunks())
        if missing and not skip_bad:  # left out by an earlier call
            raise UserError(
                f"{frames.name}: {missing} of {len(rows)} crops are in frames that cannot be read. --skip-bad leaves "
                "them out"
            )
        if missing == len(rows):
            raise UserError(f"{frames.name}: none of {len(rows)} crops can be read. Is the video damaged?")
        if missing:
            print(
                f"{frames.name}: {missing} of {len(rows)} crops are in frames that cannot be read",
                file=sys.stderr,
            )
        return _tracks(frames, boxes, rows, geometry, chunks, model, camera, start)


def _tracks(
    frames: FrameSource,
    boxes: Boxes,
    rows: NDArray[np.int64],
    geometry: NDArray[np.float32],
    chunks: Partial,
    model: ModelIdentity,
    camera: str,
    start: datetime.datetime | None,
) -> Tracks:
    parts = [(one.place, one.sharpness, one.embedding) for one in chunks.chunks()]
    place, sharp, embedding = (np.concatenate(part) for part in zip(*parts, strict=True))
    box = rows[place]
    worth = quality(geometry[box], sharp)
    summary = summarise(embedding, worth, boxes.track[box], boxes.frame[box])
    if message := summary.message():
        print(f"{frames.name}: {message}", file=sys.stderr)
    of_box = _tracklet_of_boxes(boxes, box, summary.tracklet)
    held = np.flatnonzero(of_box >= 0)
    count = len(summary.track)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(first, of_box[held], boxes.frame[held])
    np.maximum.at(last, of_box[held], boxes.frame[held])
    crops = Crops(
        box=box,
        seconds=frames.seconds(boxes.frame[box]),
        quality=worth,
        tracklet=summary.tracklet,
        kept=summary.kept,
        embedding=embedding,
    )
    tracklets = Tracklets(
        track=summary.track,
        first_frame=first,
        last_frame=last,
        first_second=frames.seconds(first),
        last_second=frames.seconds(last),
        embedding=summary.embedding,
        spread=summary.spread,
        pictures=_pictures(chunks, crops.best()),
    )
    return Tracks(
        camera=camera,
        start=start,
        fps=frames.fps,
        frame_size=frames.size,
        source=frames.name,
        model=model,
        boxes=boxes,
        box_tracklet=of_box,
        crops=crops,
        tracklets=tracklets,
    )


def _tracklet_of_boxes(
    boxes: Boxes, box: NDArray[np.int64], tracklet: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of each box, the tracklet of the crop of its track that is nearest in time, the earlier of two; -1 for none."""
    found = np.full(len(boxes), -1)
    by_track = np.lexsort((boxes.frame, boxes.track))
    crops = np.lexsort((boxes.frame[box], boxes.track[box]))
    tracks, starts = np.unique(boxes.track[by_track], return_index=True)
    ends = np.append(starts[1:], len(boxes))
    low = np.searchsorted(boxes.track[box[crops]], tracks, "left")
    high = np.searchsorted(boxes.track[box[crops]], tracks, "right")
    for start, end, one, other in zip(*(part.tolist() for part in (starts, ends, low, high)), strict=True):
        if one == other:
            continue
        here, some = by_track[start:end], crops[one:other]
        frame, known = boxes.frame[here], boxes.frame[box[some]]
        after = np.clip(np.searchsorted(known, frame), 1, max(1, len(known) - 1))
        if len(known) == 1:
            nearest = np.zeros(len(here), np.int64)
        else:
            nearest = after - (frame - known[after - 1] <= known[after] - frame)
        found[here] = tracklet[some[nearest]]
    return found


def _pictures(chunks: Partial, crops: NDArray[np.int64]) -> tuple[bytes, ...]:
    """The JPEGs of some crops, by their place among all."""
    order = np.argsort(crops)
    found: dict[int, bytes] = {}
    base = 0
    for chunk in chunks.chunks():
        size = len(chunk.place)
        low, high = np.searchsorted(crops[order], [base, base + size])
        starts = np.append(0, chunk.picture_ends[:-1])
        for place in order[low:high].tolist():
            within = int(crops[place]) - base
            found[place] = chunk.pictures[starts[within] : chunk.picture_ends[within]].tobytes()
        base += size
    return tuple(found[place] for place in range(len(crops)))


def _digest(boxes: Boxes) -> str:
    digest = hashlib.sha256()
    for array in (boxes.frame, boxes.track, boxes.xyxy):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@contextlib.contextmanager
def _folder(given: Any) -> Iterator[Any]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="keras_reid_tracks.") as made:
        yield made
