"""Which tracklets cannot show the same one: nobody is at two places at one time, and ways between them take time."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.tracks.records import Tracks

_COLUMNS = ("from", "to", "seconds")
_PAUSE = 1.0  # seconds without a box, or two frames, after which somebody may have been elsewhere meanwhile
HANDOVER = 2.0  # seconds
_ROUNDING = 1e-3  # seconds
_ROWS = 512


def impossible_pairs(
    tracks: Sequence[Tracks],
    overlapping: Collection[str] = (),
    travel: Mapping[tuple[str, str], float] | None = None,
    handover: float = HANDOVER,
) -> NDArray[np.int64]:
    """Pairs of tracklets that cannot show the same one.

    In one camera: two tracklets that have boxes in the same frames for longer than a moment, `handover`. A tracker may
    give somebody a new id while the old one lives on, and where it mistook one for another, the moment is not known
    exactly. In two cameras: one is left only after the other was entered, or less than the travel time before. A
    tracklet without boxes for more than a second may have been elsewhere meanwhile. Cameras without a start time are
    compared with no other one.

    Time: about 10 ns for each pair of tracklets of two cameras, and for each pair of boxes of one frame. Memory: 16
    bytes for each pair that is returned.

    Args:
        tracks: of one camera each.
        overlapping: names of cameras whose views overlap: any two of them may see the same one at the same time.
        travel: `(from, to)` → least seconds from leaving one view to entering the other; where only one direction is
            given, it holds for both. Default: 0.
        handover: seconds, at least 0. Default: 2.

    Returns:
        `(k, 2)` pairs of tracklets, counted through all `tracks`, each once.

    Raises:
        UserError: a name is not that of a camera, a camera with a travel time has no start time, or `handover` is not a
            number from 0.

    Example:
        >>> cannot_link = impossible_pairs([door, hall], travel={("door", "hall"): 20.0})  # doctest: +SKIP
    """
    if not 0 <= handover < math.inf:
        raise UserError(f"the handover must be a number of seconds from 0. Received: {handover}.")
    cameras = {one.camera: one for one in tracks}
    travel = both_ways(travel or {})
    for name in (*overlapping, *(name for pair in travel for name in pair)):
        _check_camera(name, cameras)
    if missing := sorted({name for pair in travel for name in pair if cameras[name].start is None}):
        raise UserError(
            f"travel times need the time at which each video starts. Received: none for {', '.join(missing)}. Give it "
            "to `keras-reid tracks` with --start."
        )
    offsets = np.cumsum([0, *(len(one.tracklets) for one in tracks)])
    found = [
        offset
        + _in_one_frame(one.box_tracklet, one.boxes.frame, len(one.tracklets), handover / _interval(one))
        for one, offset in zip(tracks, offsets[:-1], strict=True)
    ]
    stays = [None if one.start is None else _stays(one) for one in tracks]
    for here in range(len(tracks)):
        for there in range(here + 1, len(tracks)):
            names = tracks[here].camera, tracks[there].camera
            if stays[here] is None or stays[there] is None or set(names) <= set(overlapping):
                continue
            times = travel.get(names, 0.0), travel.get(names[::-1], 0.0)
            pairs = _too_near(stays[here], stays[there], *times)
            found.append(pairs + offsets[[here, there]])
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def read_travel_times(file: str | os.PathLike[str], cameras: Collection[str]) -> dict[tuple[str, str], float]:
    """Least travel times between cameras from a CSV file with the columns `from`, `to`, `seconds`.

    UTF-8, commas, a header line. Where only one direction is listed, it holds for both. Other columns are ignored.

    Args:
        file: the CSV file.
        cameras: names of the cameras that there are.

    Returns:
        `(from, to)` → seconds, as listed.

    Raises:
        UserError: names the line and the column of a mistake.
    """
    file = Path(file)
    if not file.is_file():
        raise UserError(f"{file}: there is no such CSV file. It has the columns from, to, seconds")
    times: dict[tuple[str, str], float] = {}
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            header = rows.fieldnames or ()
            for name in _COLUMNS:
                if name not in header:
                    raise UserError(
                        f"{file}, line 1: column {name!r} is missing; the header has {', '.join(header) or 'nothing'}."
                    )
            for row in rows:
                place = f"{file}, line {rows.line_num}"
                one, other, text = ((row[name] or "").strip() for name in _COLUMNS)
                for column, name in (("from", one), ("to", other)):
                    _check_camera(name, cameras, f"{place}: column {column!r}: ")
                if one == other:
                    raise UserError(
                        f"{place}: columns 'from' and 'to' must be two cameras. Received: {one!r} twice."
                    )
                if (one, other) in times:
                    raise UserError(f"{place}: the way from {one!r} to {other!r} is listed already.")
                times[one, other] = _seconds(text, place)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} is not a CSV file in UTF-8: {error}.") from None
    return times


def both_ways(travel: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Travel times with those of the directions that are not listed.

    Example:
        >>> both_ways({("door", "hall"): 20.0})
        {('hall', 'door'): 20.0, ('door', 'hall'): 20.0}
    """
    return {**{pair[::-1]: seconds for pair, seconds in travel.items()}, **travel}


def _check_camera(name, cameras, place=""):
    if name not in cameras:
        raise UserError(f"{place}there is no camera {name!r}. The cameras are {', '.join(sorted(cameras))}.")


def _seconds(text, place):
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{place}: column 'seconds' must be a number from 0. Received: {text!r}.")
    return seconds


def _interval(tracks):
    """Seconds from frame to frame, on average."""
    known = tracks.tracklets
    frames = (known.last_frame - known.first_frame).sum()
    return (known.last_second - known.first_second).sum() / frames if frames else 1 / (tracks.fps or 1)


def _in_one_frame(tracklet, frame, count, most):
    """`(k, 2)` tracklets of a camera that have boxes in more than `most` frames together."""
    from scipy.sparse import coo_array

    inside = tracklet >= 0
    if not inside.any():
        return np.zeros((0, 2), np.int64)
    frames = np.unique(frame[inside], return_inverse=True)[1]
    shape = count, int(frames.max()) + 1
    presence = coo_array((np.ones(len(frames), np.int32), (tracklet[inside], frames)), shape).tocsr()
    together = (presence @ presence.T).tocoo()
    above = (together.row < together.col) & (together.data > most)
    return np.stack([together.row[above], together.col[above]], axis=1).astype(np.int64)


def _stays(tracks):
    """When tracklets were in view without a pause: their numbers, and the first and last second, since 1970."""
    inside = np.flatnonzero(tracks.box_tracklet >= 0)
    tracklet, frame = tracks.box_tracklet[inside], tracks.boxes.frame[inside]
    order = np.lexsort((frame, tracklet))
    tracklet = tracklet[order]
    seconds = tracks.start.timestamp() + _seconds_of(tracks, frame[order])
    pause = _PAUSE if tracks.fps is None else max(_PAUSE, 2.5 / tracks.fps)
    new = (np.diff(tracklet, prepend=-1) != 0) | (np.diff(seconds, prepend=-np.inf) > pause)
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(seconds))[: len(starts)] - 1
    return tracklet[starts], seconds[starts], seconds[ends]


def _seconds_of(tracks, frames):
    """The seconds of frames since the video's start, between those of which they are known."""
    known = tracks.tracklets
    at = np.concatenate([known.first_frame, known.last_frame, tracks.boxes.frame[tracks.crops.box]])
    seconds = np.concatenate([known.first_second, known.last_second, tracks.crops.seconds])
    at, first = np.unique(at, return_index=True)
    return np.interp(frames, at, seconds[first]) if len(at) else np.zeros(len(frames))


def _too_near(here, there, out, back):
    """`(k, 2)` tracklets of two cameras that overlap in time or follow each other too soon for `out` and `back`."""
    found = []
    for start in range(0, len(here[0]), _ROWS):
        numbers, first, last = (values[start : start + _ROWS, None] for values in here)
        # From leaving one view to entering the other: negative where it was entered earlier.
        possible = (there[1] - last >= out - _ROUNDING) | (first - there[2] >= back - _ROUNDING)
        rows, columns = np.nonzero(~possible)
        found.append(np.stack([numbers[rows, 0], there[0][columns]], axis=1))
    return np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 2), np.int64)
