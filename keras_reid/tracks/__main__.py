"""`keras-reid tracks VIDEO|FRAMES… --boxes FILE… --model M --output T.npz|FOLDER`: embedded tracklets of videos."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from keras_reid.tracks.boxes import Format, read_boxes
from keras_reid.tracks.tracklets import check_boxes, check_sampling, make_tracks
from keras_reid.tracks.tracks_file import write_tracks
from keras_reid.utils import command_line
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved

if TYPE_CHECKING:
    from keras_reid.tracks.frames import FrameSource
    from keras_reid.tracks.records import Boxes

_OF_MOT = "img1"  # folders of frames of the MOT Challenge, in a folder with the sequence's name


@dataclasses.dataclass(frozen=True)
class Tracks:
    """Embed the boxes of a detector and tracker in videos: a file of tracklets for each camera.

    A few boxes of each track, spread over its time, are cut out of the frames and embedded; each tracklet gets one
    embedding and its best picture. `keras-reid associate` finds who is who across cameras. Memory stays small for
    hours of video. Finished work is kept in a hidden folder beside the output: after a kill, the same command
    continues from there.
    """

    videos: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="VIDEO|FRAMES")]
    """video files, which need PyAV (the extra `video`), and folders of frames; one for each camera"""
    boxes: tuple[Path, ...]
    """the tracker's boxes, a file for each video in the same order: MOT Challenge text, COCO JSON, or CSV with a header
    frame,id,x,y,w,h,score"""
    model: str
    """a run directory (runs/NAME), a .keras file or a published model (`keras-reid zoo list`)"""
    output: Path
    """the .npz file to write; or a folder, which gets CAMERA.npz for each video"""
    camera: tuple[str, ...] = ()
    """names of the cameras; by default those of the videos"""
    start: tuple[str, ...] = ()
    """when each video began, in ISO 8601 with a zone, 2026-11-29T08:30:00+01:00; one is for all"""
    format: Format | None = None
    """format of the boxes; by default the file tells. mot-gt: ground truth of the MOT Challenge, with flags"""
    first_frame: int | None = None
    """number of the first frame in the files of boxes; by default 1 for mot and mot-gt, 0 for others"""
    fps: float | None = None
    """frames per second of folders of frames; by default from a seqinfo.ini in or above the folder"""
    every: float = 0.2
    """seconds between the crops of a track, at least; in each such time the best box is taken"""
    most: int = 24
    """crops of a track at most"""
    skip_bad: bool = False
    """leave out frames that cannot be read and boxes without area, and name them, instead of stopping"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


@dataclasses.dataclass(frozen=True, eq=False)
class _Task:
    frames: FrameSource
    boxes: Boxes
    camera: str
    start: datetime.datetime | None
    output: Path


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Tracks, arguments, prog="keras-reid tracks", config=(tyro.conf.FlagCreatePairsOff,)
    )
    check_sampling(options.every, options.most)
    if options.fps is not None and options.videos and not any(Path(one).is_dir() for one in options.videos):
        raise UserError("--fps is for folders of frames: the frames of video files have their own times")
    cameras, starts = _cameras(options), _starts(options)
    outputs = _outputs(options, cameras)
    tasks = [
        _task(options, *one)
        for one in zip(options.videos, options.boxes, cameras, starts, outputs, strict=True)
    ]
    options = resolved(options, "model")
    find_model_file(options.model)

    from keras_reid.gallery.store_model import embedder_of

    embedder, model, _ = embedder_of(options.model, options.trust_code)
    command_line.continue_with("tracks", arguments)
    for task in tasks:
        tracks = make_tracks(
            task.frames,
            task.boxes,
            embedder,
            model,
            camera=task.camera,
            start=task.start,
            every=options.every,
            most=options.most,
            skip_bad=options.skip_bad,
            partial=_partial(task.output),
        )
        write_tracks(task.output, tracks)
        print(
            f"{task.output}: {counted(len(tracks.tracklets), 'tracklet')} of camera {task.camera}, of "
            f"{counted(len(tracks.crops), 'crop')} of {counted(len(tracks.boxes), 'box', 'boxes')}"
        )
    # Not before all are there: after a kill, none of them is embedded again.
    for task in tasks:
        shutil.rmtree(_partial(task.output))


def _partial(output: Path) -> Path:
    return output.with_name(f".{output.stem}.tracks")


def _cameras(options: Tracks) -> tuple[str, ...]:
    """The cameras' names, after the numbers of videos, boxes and names have been compared."""
    count = len(options.videos)
    if not count:
        raise UserError("name at least one video or folder of frames, before the options")
    if len(options.boxes) != count:
        raise UserError(
            f"--boxes must name a file for each video, in the same order. Received: {len(options.boxes)} for {count} "
            f"{'video' if count == 1 else 'videos'}"
        )
    if options.camera and len(options.camera) != count:
        raise UserError(f"--camera must name each of {count} cameras. Received: {len(options.camera)}")
    names = options.camera or tuple(map(_camera_of, options.videos))
    for name in names:
        if not name or name.startswith(".") or "/" in name or not name.isprintable():
            raise UserError(
                f"a camera's name must be printable, without '/' and a '.' at its start. Received: {name!r}. --camera "
                "names it"
            )
        if names.count(name) > 1:
            raise UserError(
                f"cameras must have different names. Received: {name!r} twice. --camera names them"
            )
    return names


def _camera_of(video: str) -> str:
    path = Path(video).absolute()
    if not path.is_dir():
        return path.stem
    return path.parent.name if path.name == _OF_MOT else path.name


def _starts(options: Tracks) -> list[datetime.datetime | None]:
    from keras_reid.gallery.enrolment import parse_time

    count = len(options.videos)
    if len(options.start) not in (0, 1, count):
        raise UserError(
            f"--start must give one time, or one for each of {count} videos. Received: {len(options.start)}"
        )
    times: list[datetime.datetime | None] = [parse_time(text, "--start") for text in options.start]
    return times * count if len(times) == 1 else times or [None] * count


def _outputs(options: Tracks, cameras: tuple[str, ...]) -> list[Path]:
    output = options.output
    if output.suffix == ".npz":
        if len(cameras) > 1:
            raise UserError(f"--output must be a folder for several videos. Received: {output}")
        if output.is_dir():
            raise UserError(f"--output must not be a folder if it ends in .npz. Received: {output}")
        return [output]
    if output.exists() and not output.is_dir():
        raise UserError(f"--output must be a file that ends in .npz, or a folder. Received: {output}")
    return [output / f"{camera}.npz" for camera in cameras]


def _task(
    options: Tracks, video: str, file: Path, camera: str, start: datetime.datetime | None, output: Path
) -> _Task:
    from keras_reid.tracks.frames import open_frames

    boxes = read_boxes(file, options.format, options.first_frame, options.skip_bad)
    frames = open_frames(video, options.fps if Path(video).is_dir() else None)
    check_boxes(frames, boxes, str(file))
    return _Task(frames, boxes, camera, start, output)


if __name__ == "__main__":
    command_line.run(main)
