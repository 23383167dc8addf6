"""Draws people who walk past several cameras.

python -m keras_reid.data.synthetic scene walk --cameras 2 --identities 8 --video
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Literal

import tyro

from keras_reid.data.synthetic.scenes import Scene
from keras_reid.data.synthetic.tracker_faults import TrackerFaults
from keras_reid.utils import command_line


@dataclasses.dataclass(frozen=True)
class SceneOptions:
    """Draw people who walk past several cameras: frames or videos, the boxes and ids of a tracker that errs, and the
    truth about them."""

    folder: tyro.conf.Positional[pathlib.Path]
    """a new folder for the scene"""
    cameras: int = 2
    """number of cameras"""
    identities: int = 8
    """number of people"""
    seed: int = 0
    """another seed gives other people, cameras, walks and faults"""
    seconds: float | None = None
    """within which people set out; by default 1.5 for each of them"""
    fps: float = 5.0
    """frames a second"""
    domain: Literal["day", "evening"] = "day"
    """evening: cheaper cameras, mounted higher, in little and coloured light"""
    video: bool = False
    """write videos instead of folders of frames; needs the extra `video`"""
    jitter: float = TrackerFaults.jitter
    """standard deviation of each edge of a box, as a share of its width or height"""
    missed: float = TrackerFaults.missed
    """share of boxes that the tracker misses at random"""
    hidden: float = TrackerFaults.hidden
    """the tracker also misses people of whom less than this share is visible"""
    breaks: float = TrackerFaults.breaks
    """how often a person gets a new id for no reason, per second"""
    patience: float = TrackerFaults.patience
    """somebody missed for more than this many seconds gets a new id"""
    switches: float = TrackerFaults.switches
    """probability that two people exchange their ids when one walks in front of the other"""


def main(arguments: Sequence[str]) -> None:
    options = command_line.parse(SceneOptions, arguments, prog="python -m keras_reid.data.synthetic scene")
    faults = TrackerFaults(
        **{field.name: getattr(options, field.name) for field in dataclasses.fields(TrackerFaults)}
    )
    scene = Scene(
        cameras=options.cameras,
        identities=options.identities,
        seed=options.seed,
        seconds=options.seconds,
        fps=options.fps,
        domain=options.domain,
        faults=faults,
    )
    reported = scene.draw(options.folder, options.video)
    boxes = sum(len(one.frame) for one in reported.values())
    tracks = sum(len(set(one.track)) for one in reported.values())
    print(
        f"{options.folder}: {options.identities} people, {boxes} boxes of {tracks} tracks in {len(reported)} cameras"
    )
