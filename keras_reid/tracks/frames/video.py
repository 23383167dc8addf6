"""Frames of a video file, read by PyAV."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.tracks.frames.source import Frame, size_problem
from keras_reid.utils.errors import UserError
from keras_reid.utils.optional import require
from keras_reid.utils.progress import progress

# Containers and bare streams of video. FFmpeg would also read texts as pictures, and playlists, which may name other
# files and addresses.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,ogg,mxf,nut,ivf,obu,h264,hevc,mjpeg,"
    "yuv4mpegpipe,dhav"
)
_JUMP = 32  # frames; to decode fewer is faster than to seek
# Formats that keep the time of each frame, so that it is the same after a seek.
_SEEKABLE = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}


class VideoFile:
    """A video file: MP4, MOV, Matroska, WebM, AVI, MPEG, FLV, WMV, Ogg, MXF, or a bare stream such as H.264.

    The file is read through once, without decoding, to learn the time of each frame: then a frame's place and its time
    are known also where the rate varies, and what is not needed is jumped over from keyframe to keyframe. Memory: 16
    bytes a frame for these times, and the frames that the decoder holds. Rotation that the file asks for is applied, as
    players and OpenCV do, so that boxes and pixels agree. Attributes as of `FrameSource`.

    In files without times, such as AVI with B-frames, frames are counted, and everything from the start is decoded.

    Args:
        path: the file.

    Raises:
        UserError: PyAV is not installed, or the file holds no video or cannot be decoded.

    Example:
        >>> video = VideoFile("hall.mp4")  # doctest: +SKIP
        >>> [frame.index for frame in video.read([0, 1000])]  # doctest: +SKIP
        [0, 1000]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self._av = require("video", "av", what=f"{self.name}: reading videos")
        status = os.stat(path)
        self.identity = f"{status.st_size} {status.st_mtime_ns}"
        self._times, self._keys, self._tick, self.fps = self._look_through()
        self.count = len(self._times)
        first = next(self._decoded(None), None)
        if first is None:
            raise UserError(f"{self.name}: no frame of the video can be decoded. Is the file damaged?")
        pixels = self._upright(first)
        self.size = (pixels.shape[0], pixels.shape[1])

    def seconds(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds since the first frame, of frames by their place."""
        times = self._times[frames] - self._times[0]
        return times * float(self._tick)

    def read(self, frames: Sequence[int]) -> Iterator[Frame]:
        """Yields the frames at rising places, one at a time. One that cannot be read comes with its problem."""
        place, stream = -1, self._decoded(None)  # place: of the last frame that was decoded
        waiting: Any = None  # a decoded frame that lies beyond the one that is wanted
        for index in map(int, frames):
            key = self._key_before(index)
            if key - place > _JUMP:
                stream, waiting = self._decoded(key), None
            while waiting is None or place < index:
                waiting = next(stream, None)
                if waiting is None:
                    break
                place = self._place(waiting, place)
            yield self._frame(index, waiting if waiting is not None and place == index else None)

    def _frame(self, index: int, decoded: Any) -> Frame:
        seconds = float(self.seconds(np.array(index)))
        problem = f"{self.name}: frame {index} (at {seconds:.2f} s) "
        if decoded is None or decoded.is_corrupt:
            return Frame(index, seconds, None, f"{problem}is damaged")
        pixels = self._upright(decoded)
        wrong = size_problem(pixels, self.size)
        return Frame(index, seconds, None if wrong else pixels, wrong and problem + wrong)

    def _place(self, decoded: Any, before: int) -> int:
        if self._counted:
            return before + 1
        return int(np.searchsorted(self._times, decoded.pts)) if decoded.pts is not None else before

    def _key_before(self, index: int) -> int:
        """Place of the last keyframe up to a frame; -1 where that is not known."""
        place = int(np.searchsorted(self._keys, index, "right")) - 1
        return int(self._keys[place]) if place >= 0 else -1

    def _look_through(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Fraction, float | None]:
        """Times of all frames in ticks, places of keyframes, seconds of a tick, and frames per second."""
        times, keys, untimed = array("q"), array("q"), 0
        with self._opened() as (container, stream):
            size = max(1, os.path.getsize(self.name) // 10**6)
            with progress(f"looking through {self.name}", size, "MB") as advance:
                done = 0
                for packet in container.demux(stream):
                    if not packet.size or packet.is_discard:
                        continue
                    if packet.pts is None:
                        untimed += 1
                    else:
                        times.append(packet.pts)
                        if packet.is_keyframe:
                            keys.append(packet.pts)
                    now = (packet.pos or 0) // 10**6
                    advance(max(0, now - done))
                    done = max(done, now)
            rate, tick = stream.average_rate or stream.guessed_rate, stream.time_base
            seekable = container.format.name in _SEEKABLE
        ordered = np.unique(np.frombuffer(times, np.int64))
        self._counted = bool(untimed) or len(ordered) < len(times)
        if not len(times) + untimed:
            raise UserError(f"{self.name}: holds no frame of video")
        if self._counted:
            if not rate:
                raise UserError(
                    f"{self.name}: tells neither the times of its frames nor their rate. {_REMEDY}"
                )
            return np.arange(len(times) + untimed), np.empty(0, np.int64), 1 / Fraction(rate), float(rate)
        places = np.searchsorted(ordered, np.sort(keys)) if seekable else np.empty(0, np.int64)
        return ordered, places, tick, _rate(ordered, tick)

    def _decoded(self, key: int | None) -> Iterator[Any]:
        """Decoded frames from the start, or from a keyframe on. What cannot be decoded is passed over."""
        with self._opened() as (container, stream):
            stream.thread_type = "AUTO"
            if key is not None:
                container.seek(int(self._times[key]), stream=stream)
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets)
                    frames = packet.decode()
                except StopIteration:
                    return
                except self._av.FFmpegError as error:
                    if self._counted:
                        raise UserError(
                            f"{self.name}: is damaged ({error.strerror}), and without times nobody knows the number of "
                            f"a later frame. {_REMEDY}"
                        ) from None
                    continue
                yield from frames

    def _opened(self) -> Any:
        return _Opened(self._av, self.name)

    def _upright(self, decoded: Any) -> NDArray[np.uint8]:
        pixels = decoded.to_ndarray(format="rgb24")
        # Counterclockwise, both of them.
        return np.rot90(pixels, round(decoded.rotation / 90)) if decoded.rotation else pixels


_REMEDY = "Convert it (ffmpeg -i IN -c copy OUT.mkv), or make a folder of frames of it"


class _Opened:
    """The container and its first video stream; closed at the end of the block."""

    def __init__(self, av: Any, name: str) -> None:
        self._av, self._name = av, name

    def __enter__(self) -> tuple[Any, Any]:
        try:
            # "file:", because a name may look like an address.
            options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
            self._container = self._av.open(f"file:{self._name}", options=options)
        except (self._av.FFmpegError, ValueError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UserError(f"{self._name}: is no video that can be read, or is damaged: {why}") from None
        # Pictures of covers are streams too.
        cover = self._av.stream.Disposition.attached_pic
        streams = [one for one in self._container.streams.video if not one.disposition & cover]
        if not streams:
            self._container.close()
            raise UserError(f"{self._name}: holds no video")
        return self._container, streams[0]

    def __exit__(self, *_: Any) -> None:
        self._container.close()


def _rate(times: NDArray[np.int64], tick: Fraction) -> float | None:
    """Frames per second, if all frames last equally long, give or take the rounding of their times."""
    lasting = np.diff(times)
    if not len(lasting):
        return None
    mean = float(times[-1] - times[0]) / len(lasting)
    return float(1 / (mean * tick)) if np.abs(lasting - mean).max() <= 1 else None
