"""Rows of boxes as a file has them, not yet checked, and the checks that are the same for every format."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.tracks.records import Boxes
from keras_reid.utils.errors import UserError

NO_TRACK = -1
_MOST = 2**53  # whole numbers up to here are exact


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Boxes as they stand in a file.

    Args:
        file: its name, for messages.
        place: what a message calls a row, such as "line 12".
        frame, track: float64 `(n,)`; the track is −1 where there is none.
        corner: float64 `(n, 2)`: left, top.
        size: float64 `(n, 2)`: width, height.
        score: float64 `(n,)`, or None.
        first_frame: the number that the format gives to the first frame.
        numbered: False where frames are counted by a list, and not numbered by the file.
    """

    file: str
    place: Callable[[int], str]
    frame: NDArray[Any]
    track: NDArray[Any]
    corner: NDArray[Any]
    size: NDArray[Any]
    score: NDArray[Any] | None
    first_frame: int
    numbered: bool = True


def boxes_of_rows(rows: Rows, first_frame: int | None = None, skip_bad: bool = False) -> Boxes:
    """Checks the rows of a file, and makes `Boxes` of them. Arguments and errors as of `read_boxes`."""
    first = rows.first_frame if first_frame is None else first_frame
    if first != rows.first_frame and not rows.numbered:
        raise UserError(f"{rows.file}: its frames have no numbers, but an order: leave --first-frame away")
    score = np.ones(len(rows.frame)) if rows.score is None else rows.score

    def check(rule: str, right: NDArray[np.bool_], *received: Any) -> None:
        if not right.all():
            row = int(np.argmin(right))
            shown = ", ".join(f"{one:g}" for values in received for one in np.ravel(values[row]))
            raise UserError(f"{rows.file}: {rows.place(row)}: {rule}. Received: {shown}")

    if not len(rows.frame):
        raise UserError(f"{rows.file}: holds no boxes")
    for name, values, least in (("frame", rows.frame, 0), ("id", rows.track, NO_TRACK)):
        whole = (values >= least) & (values <= _MOST) & (values == np.floor(values))
        check(f"the {name} must be a whole number, at least {least}", whole, values)
    late = rows.frame >= first
    remedy = "" if first == 0 else f": frames are counted from {first}; --first-frame says from where"
    check(f"the frame must be at least {first}{remedy}", late, rows.frame)
    check(
        "the score must be 0 to 1; leave it away if it is something else", (score >= 0) & (score <= 1), score
    )

    with np.errstate(over="ignore", invalid="ignore"):
        xyxy = np.concatenate([rows.corner, rows.corner + rows.size], axis=1).astype(np.float32)
    solid = np.isfinite(xyxy).all(1) & (xyxy[:, 2:] > xyxy[:, :2]).all(1)
    tracked = rows.track != NO_TRACK
    if not skip_bad:
        rule = (
            "a box must have finite numbers, and width and height above 0; --skip-bad leaves such boxes out"
        )
        check(rule, solid | ~tracked, rows.corner, rows.size)
    good = np.flatnonzero(tracked & solid)
    if not len(good):
        remedy = "" if tracked.any() else ": these are detections, and a tracker makes tracks of them"
        raise UserError(f"{rows.file}: holds no box of a track{remedy}")
    left_out = ~tracked, tracked & ~solid
    for what, which in zip(("of no track (id −1)", "without area or not finite"), left_out, strict=True):
        if which.any():
            count, where = int(which.sum()), rows.place(int(np.argmax(which)))
            warnings.warn(
                f"{rows.file}: {count} boxes {what} are left out, the first in {where}", stacklevel=3
            )
    frame, track = (values[good].astype(np.int64) for values in (rows.frame - first, rows.track))
    order = np.lexsort((track, frame))
    twice = np.flatnonzero((np.diff(frame[order]) == 0) & (np.diff(track[order]) == 0))
    if len(twice):
        one, other = sorted(good[order[twice[0] : twice[0] + 2]].tolist())
        raise UserError(
            f"{rows.file}: {rows.place(other)}: a track must be in a frame at most once. Received: track "
            f"{rows.track[other]:g} in frame {rows.frame[other]:g}, as in {rows.place(one)}"
        )
    return Boxes.sorted(frame, track, xyxy[good], score[good])
