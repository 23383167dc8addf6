"""What a video file and a folder of frames have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Args:
        index: its place in the video, from 0.
        seconds: since the first frame.
        pixels: uint8 `(height, width, 3)`, RGB, upright; None if it cannot be read.
        problem: why it cannot be read; empty if it can.
    """

    index: int
    seconds: float
    pixels: NDArray[np.uint8] | None
    problem: str = ""


class FrameSource(Protocol):
    """Frames by their place.

    Attributes:
        name: for people.
        count: number of frames.
        size: `(height, width)` in pixels, upright.
        fps: frames per second; None if their times vary.
        identity: text that changes when the files do.
    """

    name: str
    count: int
    size: tuple[int, int]
    fps: float | None
    identity: str

    def seconds(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds since the first frame, of frames by their place."""

    def read(self, frames: Sequence[int]) -> Iterator[Frame]:
        """Yields the frames at rising places, one at a time. One that cannot be read comes with its problem."""


def size_problem(pixels: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """Why a frame does not fit the others; empty if it does."""
    have = pixels.shape[:2]
    if have == size:
        return ""
    return f"is {have[1]} × {have[0]} pixels, and the first frame {size[1]} × {size[0]}"
