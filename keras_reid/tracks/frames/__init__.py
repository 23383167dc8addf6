"""Frames of a video: `folder` reads a folder of images, `video` a file by PyAV; `source` says what both can do.

Live streams are left out: a stream has no file of boxes. `keras_reid.embedding.FrameEmbedder` embeds the boxes of a
tracker while it runs.
"""

from __future__ import annotations

import os

from keras_reid.tracks.frames.folder import FrameFolder
from keras_reid.tracks.frames.source import Frame, FrameSource
from keras_reid.tracks.frames.video import VideoFile
from keras_reid.utils.errors import UserError

__all__ = ["Frame", "FrameFolder", "FrameSource", "VideoFile", "open_frames"]


def open_frames(path: str | os.PathLike[str], fps: float | None = None) -> FrameSource:
    """The frames of a video file or a folder.

    Args:
        path: the file or folder.
        fps: frames per second, for a folder; None looks for `frameRate` in its seqinfo.ini, as MOT Challenge has it.

    Raises:
        UserError: it is neither, is damaged, empty or a live stream, or the frames per second are missing, or given
            for a video, which has its own times.

    Example:
        >>> frames = open_frames("hall.mp4")  # doctest: +SKIP
        >>> next(frames.read([250])).pixels.shape  # doctest: +SKIP
        (1080, 1920, 3)
    """
    name = os.fspath(path)
    if "://" in name:
        raise UserError(
            f"{name}: live streams and addresses are not read, because they have no file of boxes. Record the stream "
            "first (ffmpeg -i ADDRESS -c copy hall.mkv), or embed in your tracker's loop: "
            "keras_reid.embedding.FrameEmbedder"
        )
    if os.path.isdir(name):
        return FrameFolder(name, fps)
    if not os.path.exists(name):
        raise UserError(f"{name}: there is no such video or folder of frames")
    if fps is not None:
        raise UserError(
            f"{name}: the frames of a video file have their own times; --fps is for folders of frames"
        )
    return VideoFile(name)
