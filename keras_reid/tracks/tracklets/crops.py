"""Cuts boxes out of frames, and embeds them: chunk by chunk, in bounded memory."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.frame_crops import cut_boxes
from keras_reid.tracks.frames import FrameSource
from keras_reid.tracks.records import Boxes
from keras_reid.tracks.tracklets.partial import Chunk, Partial
from keras_reid.tracks.tracklets.quality import sharpness
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import encoded
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder

# Boxes. The same after a resumption, so that batches and their rounding are, too.
CHUNK = 128
_NAMED = 5  # frames that are named one by one
_PICTURE = 512  # pixels of the longer side; more than any model looks at


def embed_crops(
    frames: FrameSource,
    boxes: Boxes,
    rows: NDArray[np.int64],
    embedder: Embedder,
    partial: Partial,
    skip_bad: bool = False,
) -> None:
    """Embeds a sample of boxes, from where `partial` ends, and appends them to it, with progress.

    A crop is what the box covers of the frame (`keras_reid.embedding.frame_crops.pixel_boxes`), at full size: the
    embedder brings it to the model's size without keeping its ratio, as it does with every image, in training too, and
    so there is nothing to pad. Memory: 128 crops at full size, and a few frames; it does not grow with the video.

    Args:
        frames: the video.
        boxes: of its tracker.
        rows: `(m,)`, rising: the boxes to embed.
        embedder: the model.
        partial: where they go, entered.
        skip_bad: leave out frames that cannot be read, instead of stopping. Defaults to False.

    Raises:
        UserError: a frame cannot be read; the message names it.
    """
    left = rows[partial.done :]
    wanted, starts = np.unique(boxes.frame[left], return_index=True)
    ends = np.append(starts, len(left))[1:]
    pending: list[tuple[int, NDArray[np.uint8] | None]] = []
    bad = 0
    with (
        progress(f"embedding {frames.name}", len(left), "crops") as advance,
        contextlib.closing(frames.read(wanted.tolist())) as reading,  # type: ignore[type-var]
    ):
        base = partial.done
        for frame, start, end in zip(reading, starts.tolist(), ends.tolist(), strict=True):
            crops: list[Any] = [None] * (end - start)
            if frame.pixels is not None:
                # Copies, so that the frame goes.
                crops = [crop.copy() for crop in cut_boxes(frame.pixels, boxes.xyxy[left[start:end]])]
            elif not skip_bad:
                raise UserError(f"{frame.problem}. --skip-bad leaves such frames out")
            elif (bad := bad + 1) <= _NAMED:
                print(f"left out: {frame.problem}", file=sys.stderr)
            pending += zip(range(base + start, base + end), crops, strict=True)
            while len(pending) >= CHUNK:
                partial.append(_embedded(pending[:CHUNK], embedder))
                pending = pending[CHUNK:]
                advance(CHUNK)
        if pending:
            partial.append(_embedded(pending, embedder))
            advance(len(pending))


def _embedded(pending: list[tuple[int, Any]], embedder: Embedder) -> Chunk:
    places = [place for place, crop in pending if crop is not None]
    crops = [crop for _, crop in pending if crop is not None]
    pictures = [_picture(crop) for crop in crops]
    return Chunk(
        count=len(pending),
        place=np.array(places, np.int64),
        sharpness=np.array([sharpness(crop) for crop in crops], np.float32),
        embedding=embedder(crops),
        picture_ends=np.cumsum([len(one) for one in pictures], dtype=np.int64),
        pictures=np.frombuffer(b"".join(pictures), np.uint8),
    )


def _picture(crop: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    picture = Image.fromarray(crop)
    picture.thumbnail((_PICTURE, _PICTURE))
    # As a gallery keeps whole images.
    return encoded(picture, ".jpg", quality=95, subsampling=0)
