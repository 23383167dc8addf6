"""Who walks through which camera's view, when and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.synthetic.streams import between, choose, stream

NEAR, FAR = 4.5, 14.0  # metres from the camera: the nearest and the farthest that people are seen
_STATURE = (1.55, 1.9)  # metres
_SPEED = (1.1, 1.6)  # metres a second
_STRIDES = 0.75  # full cycles of the legs for each metre
_MIDDLE = (6.5, 11.0)  # metres from the camera, half-way
_ACROSS = 0.3  # half-way, people are this share of the frame's width from its middle at most
_SHORTEST = 3.0  # seconds that a passage takes at least
_LOWEST = 1.15  # the lowest row of the feet, in heights of the frame
_STEP = 0.05  # seconds between the moments at which a path is checked
_TRAVEL = (3.0, 8.0)  # seconds from one camera to another at least
_DAWDLING = 0.3  # mean delay, as a share of that time
_CAMERAS_VISITED = {"1": 0.15, "2": 0.45, "3": 0.4}


@dataclass(frozen=True)
class Ground:
    """The ground in front of a camera, and where points of it are in the frame.

    A camera looks horizontally; x is metres to the right, z metres away from it.

    Args:
        size: (height, width) of the frame in pixels.
        focal: focal length in pixels.
        height: of the camera above the ground, metres.
        horizon: row of the horizon, pixels from the top; may lie outside the frame.
    """

    size: tuple[int, int]
    focal: float
    height: float
    horizon: float

    @classmethod
    def of(cls, size: tuple[int, int], elevation: float) -> Ground:
        """The ground before a camera that looks down on people by `elevation` radians, in the middle of the view."""
        middle = sum(_MIDDLE) / 2
        focal = 0.6 * size[0] * NEAR / max(_STATURE)
        height = middle * np.tan(elevation)
        return cls(size, focal, height, 0.66 * size[0] - focal * height / middle)

    def foot(self, x: float, z: float) -> tuple[float, float]:
        """(column, row) of a point on the ground, in pixels."""
        return self.size[1] / 2 + self.focal * x / z, self.horizon + self.focal * self.height / z

    def scale(self, z: float) -> float:
        """Pixels for a metre, at a distance of `z` metres."""
        return self.focal / z


@dataclass(frozen=True)
class Step:
    """Somebody in one frame.

    Args:
        identity: from 1.
        x, z: on the `Ground`, metres.
        yaw: direction in which they are seen, radians; 0 is from the front.
        stature: metres.
        stride: how far the legs have moved since the start, radians.
        visit: counts the passages of an identity, from 0.
    """

    identity: int
    x: float
    z: float
    yaw: float
    stature: float
    stride: float
    visit: int


@dataclass(frozen=True)
class _Path:
    """A straight line through the view of a camera; seconds count from the moment half-way."""

    x: float
    z: float
    yaw: float
    speed: float
    first: float
    last: float

    def at(self, seconds):
        way = self.speed * seconds
        return self.x + way * np.sin(self.yaw), self.z - way * np.cos(self.yaw)


def travel_times(seed: int, cameras: int) -> NDArray[np.float64]:
    """The least seconds `(cameras, cameras)` from leaving the view of one camera to entering another's; symmetric.

    Example:
        >>> travel_times(1, 3).shape
        (3, 3)
    """
    drawn = np.triu(stream(seed, "scene", "travel").uniform(*_TRAVEL, (cameras, cameras)), 1)
    return drawn + drawn.T


def walks(
    seed: int,
    identities: int,
    grounds: list[Ground],
    yaws: list[tuple[float, float, float]],
    seconds: float,
    fps: float,
) -> list[list[list[Step]]]:
    """Everybody's walk past the cameras, frame by frame.

    People set out at random within `seconds`, and pass one to three cameras one after the other, never one of them
    twice in a row. Nobody is in two places at a time, or faster than `travel_times`. All cameras start together.

    Args:
        seed: integer.
        identities: number of people.
        grounds: of each camera.
        yaws: for each camera the usual direction in which it sees people, its spread (radians), and the share of people
            who walk the other way.
        seconds: within which people set out.
        fps: frames a second.

    Returns:
        for each camera, for each frame, who is there. All cameras have the same number of frames.
    """
    least = travel_times(seed, len(grounds))
    found: list[dict[int, list[Step]]] = [{} for _ in grounds]
    for identity in range(1, identities + 1):
        rng = stream(seed, "scene", "walk", identity)
        clock, stature = between(rng, (0, seconds)), between(rng, _STATURE)
        visits = int(choose(rng, _CAMERAS_VISITED))
        camera = int(rng.integers(len(grounds)))
        for visit in range(visits):
            path = _draw_path(rng, grounds[camera], *yaws[camera])
            for frame, step in _steps(path, clock, fps, identity, stature, visit):
                found[camera].setdefault(frame, []).append(step)
            clock += path.last - path.first
            if len(grounds) == 1:
                break
            following = (camera + int(rng.integers(1, len(grounds)))) % len(grounds)
            clock += least[camera, following] * (1 + rng.exponential(_DAWDLING))
            camera = following
    frames = 1 + max((frame for steps in found for frame in steps), default=0)
    return [[steps.get(frame, []) for frame in range(frames)] for steps in found]


def _steps(
    path: _Path, enters: float, fps: float, identity: int, stature: float, visit: int
) -> Iterator[tuple[int, Step]]:
    leaves = enters + path.last - path.first
    for frame in range(int(np.ceil(enters * fps)), int(np.floor(leaves * fps)) + 1):
        seconds = frame / fps - enters + path.first
        x, z = path.at(seconds)
        stride = 2 * np.pi * _STRIDES * path.speed * (seconds - path.first)
        # The direction is seen from the camera, not along its axis.
        yield frame, Step(identity, x, z, path.yaw + np.arctan2(x, z), stature, stride, visit)


def _draw_path(rng, ground, usual, spread, behind):
    while True:
        yaw = usual + rng.normal(0, spread) + np.pi * (rng.random() < behind)
        z = between(rng, _MIDDLE)
        x = between(rng, (-_ACROSS, _ACROSS)) * ground.size[1] * z / ground.focal
        line = _Path(x, z, yaw, between(rng, _SPEED), 0.0, 0.0)
        first, last = _seen(line, ground, -_STEP), _seen(line, ground, _STEP)
        if last - first >= _SHORTEST:
            return replace(line, first=first, last=last)


def _seen(line, ground, step):
    """How many seconds from half-way, in steps of `step`, the feet stay in the view; negative for a negative step."""
    seconds = 0.0
    while True:
        x, z = line.at(seconds + step)
        if not NEAR <= z <= FAR:
            return seconds
        column, row = ground.foot(x, z)
        if not 0 <= column <= ground.size[1] or row > _LOWEST * ground.size[0]:
            return seconds
        seconds += step
