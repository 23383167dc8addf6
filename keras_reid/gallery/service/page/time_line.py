"""The sightings of an identity on a time line, with a lane for each camera: where each mark stands."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_reid.gallery.service.page.wording import clock, isolated, moment
from keras_reid.gallery.shown_names import shown_text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from keras_reid.gallery.service.records import SeenSighting

LANE = 44  # pixels: the camera's name above its line
_BASE = 30  # pixels from the top of a lane to its line
_AXIS = 26  # pixels below the lanes, for the labels
_LEFT, _RIGHT = 1.5, 98.5  # percent of the width
_NEAR = 1.6  # percent of the width: sightings that are nearer share a mark. 6 pixels on a phone, 18 on a desk
_MOST_LABELS = 6  # of the axis, as many as a phone has room for

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(1, 5, 10, 30),  # sightings in a video
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY),
)
_MONTHS = (1, 3, 6, 12, 24, 60, 120)


@dataclasses.dataclass(frozen=True)
class Mark:
    """Sightings of one camera that are too near to each other to be shown apart.

    Args:
        x: percent of the width.
        y: pixels.
        sightings: their numbers, oldest first.
        label: for screen readers and tooltips.
    """

    x: float
    y: float
    sightings: tuple[int, ...]
    label: str

    @property
    def radius(self) -> float:
        """In pixels: the area grows with the number of sightings, up to 25."""
        return round(4 + min(len(self.sightings), 25) ** 0.5, 1)


@dataclasses.dataclass(frozen=True)
class Lane:
    """The sightings of a camera.

    Args:
        camera: its name; None: sightings without one.
        y: of its line, in pixels.
        count: of sightings.
        marks: from left to right.
    """

    camera: str | None
    y: float
    count: int
    marks: tuple[Mark, ...]


@dataclasses.dataclass(frozen=True)
class TimeLine:
    """What a template draws. Widths are in percent, so that one drawing fits each screen without scaling its text.

    Args:
        lanes: the camera that was first comes first.
        moves: `(x1, y1, x2, y2)` from each sighting to the next one of another camera.
        labels: `(x, text)` of the axis.
        bottom: of the lanes, in pixels.
        height: in pixels.
    """

    lanes: tuple[Lane, ...]
    moves: tuple[tuple[float, float, float, float], ...]
    labels: tuple[tuple[float, str], ...]
    bottom: int
    height: int


def time_line(sightings: Sequence[SeenSighting], zone: ZoneInfo, now: datetime.datetime) -> TimeLine | None:
    """Places sightings on a time line.

    Args:
        sightings: of an identity; those without a time are left out.
        zone: of the labels.
        now: the present time, with a zone.

    Returns:
        a `TimeLine`; None where no sighting has a time.

    Example:
        >>> time_line([], ZoneInfo("UTC"), datetime.datetime.now(datetime.UTC)) is None
        True
    """
    timed = sorted((one for one in sightings if one.time is not None), key=lambda one: (one.time, one.id))
    if not timed:
        return None
    cameras = list(dict.fromkeys(one.camera for one in timed))
    y = {camera: number * LANE + _BASE for number, camera in enumerate(cameras)}
    scale = _Scale(timed[0].time, timed[-1].time)
    lanes = []
    for camera in cameras:
        seen = [one for one in timed if one.camera == camera]
        marks = tuple(_mark(some, scale, y[camera], zone, now) for some in _near(seen, scale))
        lanes.append(Lane(camera, y[camera], len(seen), marks))
    place = {number: mark for lane in lanes for mark in lane.marks for number in mark.sightings}
    moves = dict.fromkeys(
        (place[one.id].x, place[one.id].y, place[other.id].x, place[other.id].y)
        for one, other in itertools.pairwise(timed)
        if one.camera != other.camera
    )
    bottom = len(lanes) * LANE
    return TimeLine(tuple(lanes), tuple(moves), _labels(scale, zone), bottom, bottom + _AXIS)


class _Scale:
    def __init__(self, first, last):
        # A single moment stands in the middle of an hour.
        spare = datetime.timedelta(minutes=30) if last == first else datetime.timedelta()
        self.first, self.last = first - spare, last + spare
        self._width = (self.last - self.first) / datetime.timedelta(seconds=1)

    def __call__(self, time):
        share = (time - self.first) / datetime.timedelta(seconds=1) / self._width
        return round(_LEFT + share * (_RIGHT - _LEFT), 2)


def _near(seen, scale):
    groups = []
    for one in seen:
        if groups and scale(one.time) - scale(groups[-1][0].time) < _NEAR:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _mark(some, scale, y, zone, now):
    first, last = some[0], some[-1]
    label = f"{isolated(shown_text(first.camera or 'no camera', 40))}, {moment(first.time, zone, now)}"
    if len(some) > 1:
        label += f" to {moment(last.time, zone, now)}: {len(some)} sightings"
    return Mark(round((scale(first.time) + scale(last.time)) / 2, 2), y, tuple(one.id for one in some), label)


def _labels(scale, zone):
    """Round times within the scale, in the zone's wall clock."""
    first, last = (time.astimezone(zone).replace(tzinfo=None) for time in (scale.first, scale.last))
    times, text = _days(first, last) or _months(first, last)
    placed = [(scale(time.replace(tzinfo=zone)), text(time)) for time in times]
    return tuple((x, words) for x, words in placed if _LEFT <= x <= _RIGHT)


def _days(first, last):
    seconds = (last - first).total_seconds()
    for step in _STEPS:
        if seconds / step > _MOST_LABELS:
            continue
        # Monday, so that weeks begin there.
        begin = datetime.datetime(2001, 1, 1)
        count = int((first - begin).total_seconds() // step)
        times = [begin + datetime.timedelta(seconds=step * (count + one)) for one in range(_MOST_LABELS + 3)]
        times = [time for time in times if first <= time <= last]
        return times, _clock
    return None


def _clock(time):
    if time.hour == time.minute == time.second == 0:
        return f"{time.day} {time:%b}"
    return clock(time)


def _months(first, last):
    months = (last.year - first.year) * 12 + last.month - first.month
    step = next((one for one in _MONTHS if months / one <= _MOST_LABELS), _MONTHS[-1])
    begin = (first.year * 12 + first.month - 1) // step * step
    end = last.year * 12 + last.month
    times = [datetime.datetime(month // 12, month % 12 + 1, 1) for month in range(begin, end, step)]
    times = [time for time in times if first <= time <= last]
    return times, lambda time: f"{time:%b %Y}" if step < 12 else f"{time.year}"
