"""Frames in a folder, one image each."""

from __future__ import annotations

import collections
import concurrent.futures
import configparser
import hashlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.image_files import list_images
from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.pillow_reader import PillowReader
from keras_reid.tracks.frames.source import Frame, size_problem
from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import cores


class FrameFolder:
    """A folder of images, in the order of their names, numbers in them by value: `9.jpg` comes before `10.jpg`.

    They are decoded as in training, ahead in threads: memory for a frame a core. Attributes as of `FrameSource`.

    Args:
        folder: the folder.
        fps: frames per second. None takes `frameRate` of a seqinfo.ini in the folder or above it.

    Raises:
        UserError: there is no image, the first one cannot be read, or `fps` is not known or not positive.

    Example:
        >>> FrameFolder("MOT17-02-FRCNN/img1").fps  # doctest: +SKIP
        30.0
    """

    def __init__(self, folder: str | os.PathLike[str], fps: float | None = None) -> None:
        self.name = os.fspath(folder)
        self._paths = [os.path.join(self.name, name) for name in sorted(list_images(folder), key=_by_numbers)]
        self.count = len(self._paths)
        rate = _rate(Path(folder)) if fps is None else fps
        if rate is None:
            raise UserError(
                f"{self.name}: a folder does not tell its frames per second. Give --fps, or put a seqinfo.ini with "
                "frameRate beside the frames, as the MOT Challenge has it"
            )
        if not (math.isfinite(rate) and rate > 0):
            raise UserError(f"{self.name}: the frames per second must be above 0. Received: {rate}")
        self._rate = float(rate)
        self.fps: float | None = self._rate
        self._decode = _FullSize((0, 0))
        try:
            first = self._decode(self._paths[0])
        except UnreadableImage as error:
            raise UserError(f"{self._paths[0]}: {error}") from None
        self.size = (first.shape[0], first.shape[1])
        digest = hashlib.sha256(str(self.fps).encode())
        for path in self._paths:
            status = os.stat(path)
            digest.update(f"{os.path.basename(path)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        self.identity = digest.hexdigest()

    def seconds(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds since the first frame, of frames by their place."""
        return np.asarray(frames, np.float64) / self._rate

    def read(self, frames: Sequence[int]) -> Iterator[Frame]:
        """Yields the frames at rising places, one at a time. One that cannot be read comes with its problem."""
        ahead = cores()
        pool = concurrent.futures.ThreadPoolExecutor(ahead, thread_name_prefix="keras_reid_frames")
        waiting: collections.deque[concurrent.futures.Future[Frame]] = collections.deque()
        try:
            for index in frames:
                waiting.append(pool.submit(self._frame, int(index)))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also where nobody wants the rest
            pool.shutdown(wait=True, cancel_futures=True)

    def _frame(self, index: int) -> Frame:
        seconds = float(self.seconds(np.array(index)))
        path = self._paths[index]
        try:
            pixels = self._decode(path)
        except UnreadableImage as error:
            return Frame(index, seconds, None, f"{path}: {error}")
        problem = size_problem(pixels, self.size)
        return Frame(index, seconds, None if problem else pixels, problem and f"{path}: {problem}")


class _FullSize(PillowReader):
    """Decodes as a `PillowReader`, and does not resize."""

    def _of_size(self, image: Any) -> NDArray[np.uint8]:
        return np.asarray(image)


def _by_numbers(name: str) -> list[Any]:
    """`frame_10.jpg` → `["frame_", 10, ".jpg"]`: text and numbers alternate, so that keys can be compared."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _rate(folder: Path) -> float | None:
    for place in (folder, folder.absolute().parent):
        file = place / "seqinfo.ini"
        if not file.is_file():
            continue
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(file, encoding="utf-8")
            return parser.getfloat("Sequence", "frameRate")
        except (configparser.Error, ValueError) as error:
            raise UserError(
                f"{file}: must have a number frameRate in [Sequence]. Received: {error}. Or give --fps"
            ) from None
    return None
