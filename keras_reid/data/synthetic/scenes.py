"""Videos of people who walk past several cameras, with a tracker's boxes and the truth about them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
import os
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from PIL import Image

from keras_reid.data.synthetic.backgrounds import paint_scene
from keras_reid.data.synthetic.body import rotation
from keras_reid.data.synthetic.camera import DISTANCE, PERSON_NUISANCE, SUPERSAMPLING, Camera
from keras_reid.data.synthetic.domains import DOMAINS, in_domain
from keras_reid.data.synthetic.drawn_set import LICENCE
from keras_reid.data.synthetic.person import Person
from keras_reid.data.synthetic.scene_walks import Ground, Step, travel_times, walks
from keras_reid.data.synthetic.streams import stream
from keras_reid.data.synthetic.tracker_faults import TrackedBoxes, TrackerFaults, TrueBoxes, tracked
from keras_reid.utils import optional
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import encoded, folder_beside, write_json
from keras_reid.utils.progress import progress

VERSION = 1  # raise it whenever the same settings give another scene
START = "2026-11-02T08:00:00+00:00"  # when all cameras start
_SECONDS_EACH = 1.5  # seconds within which people set out, for each of them
_BIT_RATE = 6_000_000  # of a video, bits a second


@dataclass(frozen=True)
class Scene:
    """People who walk past several cameras: one after the other, in front of each other, nearer and farther.

    People and cameras are those of `Synthetic`, but never the same ones as in a data set, whatever the seed. Views do
    not overlap. Somebody passes one to three cameras, and may come back to one.

    Args:
        cameras: number of cameras, at least 1.
        identities: number of people, at least 1.
        seed: 0 or larger; another seed gives other people, cameras, walks and faults.
        seconds: within which people set out; None for 1.5 for each person. A scene lasts about 40 seconds longer.
        fps: frames a second.
        size: (height, width) of the frames in pixels, at least 90.
        domain: "day" or "evening", as in `Synthetic`.
        faults: of the tracker.

    Raises:
        UserError: if an argument is out of range.

    Example:
        >>> Scene(cameras=3, identities=40, seed=1).camera_names
        ('cam1', 'cam2', 'cam3')
    """

    cameras: int = 2
    identities: int = 8
    seed: int = 0
    seconds: float | None = None
    fps: float = 5.0
    size: tuple[int, int] = (360, 640)
    domain: str = "day"
    faults: TrackerFaults = field(default_factory=TrackerFaults)

    def __post_init__(self):
        for name, least in (("cameras", 1), ("identities", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise UserError(
                    f"`{name}` of a scene must be an integer, at least {least}. Received: {value!r}"
                )
        for name in ("seconds", "fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UserError(f"`{name}` of a scene must be above 0. Received: {value!r}")
        if len(self.size) != 2 or min(self.size) < 90 or any(side % 2 for side in self.size):
            raise UserError(
                f"`size` of a scene must be (height, width), even and at least 90 pixels. Received: {self.size!r}"
            )
        if self.domain not in DOMAINS:
            names = ", ".join(map(repr, DOMAINS))
            raise UserError(f"`domain` of a scene must be one of {names}. Received: {self.domain!r}")
        for name, value in dataclasses.asdict(self.faults).items():
            most = 1 if name in ("missed", "hidden", "switches") else math.inf
            if not 0 <= value <= most:
                raise UserError(
                    f"`{name}` of a tracker must be at least 0{', at most 1' if most == 1 else ''}. "
                    f"Received: {value!r}"
                )

    @property
    def camera_names(self) -> tuple[str, ...]:
        """`("cam1", "cam2", …)`."""
        return tuple(f"cam{number + 1}" for number in range(self.cameras))

    def draw(self, folder: str | os.PathLike[str], video: bool = False) -> dict[str, TrackedBoxes]:
        """Draws the scene into a new folder.

        The folder holds for each camera, here cam1: the frames `cam1/000001.jpg` … or the video `cam1.mp4`; the
        tracker's boxes, `cam1.txt`; the truth, `truth/cam1.txt`, whose ids are the same for all cameras; and
        `truth/cam1_tracks.csv`, who each of the tracker's boxes is. The first three are in the format of MOT Challenge,
        whose frames count from 1, and so is `seqinfo.ini` beside folders of frames, which has the frames per second.
        `travel.csv` has the least seconds between cameras, `scene.json` the settings.

        It is drawn beside and renamed at the end, so that an interrupted run leaves nothing.

        Args:
            folder: which is created. It may exist if it is empty.
            video: write videos (MPEG-4) instead of folders of frames. Needs the extra `video`.

        Returns:
            camera → the tracker's boxes.

        Raises:
            UserError: if the folder holds something, or PyAV is not installed for `video`.
        """
        folder = pathlib.Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists already. Name a new folder, or remove it")
        if video:
            optional.require("video", "av", what="a video")
        plan = self._plan()
        reported = {}
        with folder_beside(folder) as beside:
            new = beside / "scene"
            (new / "truth").mkdir(parents=True)
            with progress("drawing frames", sum(map(len, plan)), "frames") as advance:
                for number, (name, frames) in enumerate(zip(self.camera_names, plan, strict=True)):
                    view = self._views[number]
                    writing = (
                        _video(new / f"{name}.mp4", self) if video else _frames(new / name, view.jpeg_quality)
                    )
                    with writing as write:
                        truth = self._draw_camera(view, number, frames, write, advance)
                    reported[name] = tracked(
                        truth, self.faults, self.fps, stream(self.seed, "scene", "tracker", number)
                    )
                    _write_boxes(new, name, truth, reported[name])
            self._describe(new, video)
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()
            new.rename(folder)
        return reported

    def _plan(self):
        nuisance = in_domain(PERSON_NUISANCE, self.domain)
        return walks(
            self.seed,
            self.identities,
            [view.ground for view in self._views],
            [(view.yaw, nuisance.yaw_spread, nuisance.behind) for view in self._views],
            self.seconds or _SECONDS_EACH * self.identities,
            self.fps,
        )

    @functools.cached_property
    def _views(self):
        nuisance = in_domain(PERSON_NUISANCE, self.domain)
        return [
            _View(stream(self.seed, "scene", "camera", number), nuisance, self.size)
            for number in range(self.cameras)
        ]

    def _draw_camera(self, view, number, frames, write, advance):
        people = functools.lru_cache(maxsize=16)(
            lambda identity: Person(stream(self.seed, "scene", "identity", identity))
        )
        rows = []
        for frame, steps in enumerate(frames):
            gaits = {
                step.identity: (self.seed, "scene", "gait", step.identity, number, step.visit)
                for step in steps
            }
            picture, seen = view.take(
                [(people(step.identity), step, stream(*gaits[step.identity])) for step in steps],
                stream(self.seed, "scene", "frame", number, frame),
            )
            write(picture)
            rows += [(frame, identity, *box, visible) for identity, box, visible in seen]
            advance()
        table = np.array(rows, "float64").reshape(-1, 7)
        return TrueBoxes(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:6], table[:, 6])

    def _describe(self, folder, video):
        least = travel_times(self.seed, self.cameras)
        lines = ["from,to,seconds"] + [
            f"{one},{other},{least[i, j]:.2f}"
            for i, one in enumerate(self.camera_names)
            for j, other in enumerate(self.camera_names)
            if i != j
        ]
        (folder / "travel.csv").write_text("\n".join(lines) + "\n")
        if not video:  # folders of frames do not tell how fast they follow each other
            height, width = self.size
            told = {"frameRate": f"{self.fps:g}", "imWidth": width, "imHeight": height, "imExt": ".jpg"}
            lines = ["[Sequence]", *(f"{key}={value}" for key, value in told.items())]
            (folder / "seqinfo.ini").write_text("\n".join(lines) + "\n")
        settings = dataclasses.asdict(self)
        about = {"version": VERSION, "start": START, "settings": settings, "licence": LICENCE}
        write_json(folder / "scene.json", about)


class _View(Camera):
    """A camera with a background as large as its frames, which takes pictures of several people at once."""

    def __init__(self, rng, nuisance, size):
        super().__init__(rng, nuisance)
        self.ground = Ground.of(size, self.elevation)
        height, width = size
        side = max(size)
        background = paint_scene(rng, side, float(np.clip(self.ground.horizon / side, 0.0, 1.0)))
        self.background = background[:height, :width].astype("float32") / 255

    def take(  # type: ignore[override]
        self, people: list[tuple[Person, Step, np.random.Generator]], rng: np.random.Generator
    ) -> tuple[Image.Image, list[tuple[int, tuple[float, ...], float]]]:
        """A frame, and for each person in it, by identity: box and visible share."""
        picture = self.background * np.float32(self.ambient + 0.6 * self.sun)
        owner = np.zeros(picture.shape[:2], np.int64)
        drawn = {}
        for person, step, gait in sorted(people, key=lambda one: -one[1].z):  # the nearest comes last
            box, area = self._paint(picture, owner, person, step, gait)
            drawn[step.identity] = box, area
        left = np.bincount(owner.ravel(), minlength=1 + max(drawn, default=0))
        seen = [
            (identity, box, float(min(1.0, left[identity] / max(1.0, area))))
            for identity, (box, area) in sorted(drawn.items())
        ]
        return self.develop(picture, rng), seen

    def _paint(self, picture, owner, person, step, gait):
        """Paints somebody into the picture; returns the box, and how many pixels the whole body takes."""
        vertices, normals = person.pose(gait, step.stride)
        turn = rotation("x", self.elevation) @ rotation("y", step.yaw)
        vertices, normals = (np.einsum("nj,ij->ni", values, turn) for values in (vertices, normals))
        inverse_depth = 1 / (DISTANCE - vertices[:, 2])
        flat = vertices[:, :2] * (DISTANCE * inverse_depth[:, None])
        scale = step.stature * self.ground.scale(step.z)
        column, row = self.ground.foot(step.x, step.z)
        screen = (flat - (0, flat[:, 1].min())) * (scale, -scale) + (column, row)
        box = (*screen.min(0), *screen.max(0))
        left, top = (math.floor(value) for value in box[:2])
        width, height = (math.ceil(high) - low for high, low in zip(box[2:], (left, top), strict=True))
        light, covered = self.render(
            person, normals, (screen - (left, top)) * SUPERSAMPLING, inverse_depth, (height, width)
        )
        _shade_ground(picture, column, row, scale)
        rows, columns = (slice(max(0, low), max(0, low + n)) for low, n in ((top, height), (left, width)))
        target = picture[rows, columns]
        inside = np.s_[rows.start - top :, columns.start - left :]
        light, covered = (part[inside][: target.shape[0], : target.shape[1]] for part in (light, covered))
        target[:] = target * (1 - covered) + light
        owner[rows, columns][covered[..., 0] > 0.5] = step.identity
        return box, float((covered[..., 0] > 0.5).sum())


@contextlib.contextmanager
def _frames(folder: pathlib.Path, quality: int) -> Iterator[Callable[[Image.Image], None]]:
    """Yields `write(picture)`, which adds a JPEG file to a new folder."""
    folder.mkdir()
    number = itertools.count(1)

    def write(picture: Image.Image) -> None:
        (folder / f"{next(number):06d}.jpg").write_bytes(encoded(picture, ".jpg", quality=quality))

    yield write


@contextlib.contextmanager
def _video(file: pathlib.Path, scene: Scene) -> Iterator[Callable[[Image.Image], None]]:
    """Yields `write(picture)`, which adds a frame to a new video."""
    import av

    with av.open(str(file), "w") as container:
        made = container.add_stream("mpeg4", rate=Fraction(scene.fps).limit_denominator(1000))
        made.height, made.width = scene.size
        made.pix_fmt, made.bit_rate = "yuv420p", _BIT_RATE
        yield lambda picture: container.mux(made.encode(av.VideoFrame.from_image(picture)))
        container.mux(made.encode())


def _shade_ground(picture, column, row, scale):
    """Darkens the ground around the feet of somebody `scale` pixels high, in place; as in single images."""
    height, width = picture.shape[:2]
    reach = math.ceil(0.4 * scale)
    top, left = max(0, int(row) - reach), max(0, int(column) - reach)
    rows, columns = np.ogrid[top : min(height, int(row) + reach), left : min(width, int(column) + reach)]
    distance = ((columns - column) / (0.13 * scale)) ** 2 + ((rows - row) / (0.032 * scale)) ** 2
    shade = (1 - 0.4 * np.exp(-distance))[..., None].astype("float32")
    picture[top : top + shade.shape[0], left : left + shade.shape[1]] *= shade


def _write_boxes(folder, name, truth, reported):
    _write_mot(folder / "truth" / f"{name}.txt", truth, truth.identity, "1,1,{:.3f}", truth.visible)
    _write_mot(folder / f"{name}.txt", reported, reported.track, "{:.3f},-1,-1,-1", reported.score)
    rows = zip(reported.frame + 1, reported.track, reported.identity, strict=True)
    text = "\n".join(["frame,track,identity", *(",".join(map(str, row)) for row in rows)])
    (folder / "truth" / f"{name}_tracks.csv").write_text(text + "\n")


def _write_mot(file, boxes, ids, ending, values):
    """Lines of MOT Challenge: frame from 1, id, left, top, width, height, and an ending made of a value."""
    sizes = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    numbers = np.concatenate([boxes.xyxy[:, :2], sizes], axis=1)
    lines = (
        f"{frame + 1},{identity},{','.join(f'{number:.2f}' for number in box)},{ending.format(value)}\n"
        for frame, identity, box, value in zip(boxes.frame, ids, numbers, values, strict=True)
    )
    file.write_text("".join(lines))
