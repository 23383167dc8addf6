"""Tracklets: the boxes that a tracker gives one person who walks past one camera, some of them bad."""

from __future__ import annotations

import functools
import json
import math
import os
import pathlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.synthetic.backgrounds import crop_scene, draw_occluder
from keras_reid.data.synthetic.camera import PERSON_NUISANCE, Camera, cast_shadow
from keras_reid.data.synthetic.drawn_set import WORTH_A_PROCESS, draw_in_processes
from keras_reid.data.synthetic.person import Person
from keras_reid.data.synthetic.streams import between, choose, stream
from keras_reid.data.synthetic.views import hide
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import encoded, read_json
from keras_reid.utils.progress import progress
from keras_reid.utils.threads import cores

if TYPE_CHECKING:
    from PIL import Image

FRAME = (1080, 1920)  # height and width of the camera's picture, pixels
STEP = 6  # frames between two crops: half a second at 12 frames a second
_FRAMES = 1000  # of one person; nobody else has a tracklet in them
_STEP_SIZE = (2.2, 3.2)  # radians of the gait in half a second, which is a little less than a step


@dataclass(frozen=True)
class Severity:
    """What is bad about the bad crops, and how they follow each other.

    The first group holds how often each kind of bad crop occurs, relative to the others.
    """

    person: float = 0.3  # another person is in front
    thing: float = 0.2  # an object is in front
    cut: float = 0.2  # by the edge of the frame, or by a box that holds only a part
    other: float = 0.2  # the box is around another person
    nobody: float = 0.1  # the box is around background

    hidden: tuple[float, float] = (0.4, 0.8)  # share that the person or object in front hides
    left: tuple[float, float] = (0.3, 0.6)  # share of the height or width that a cut crop keeps
    persistence: float = 0.7  # correlation of neighbours: bad crops come in runs of about three
    detected: float = 0.7  # share of the people in front and behind who have a box of their own
    company: float = 0.15  # share of crops, good and bad, with another person behind


@dataclass(frozen=True)
class TrackletSet:
    """How many tracklets, of which size.

    Each person walks past each camera once. Whether a crop is bad, and in which way, does not depend on `share`: the
    bad crops of a small share are among those of a larger one.

    Args:
        identities: number of people; they are the first of the seed in `Synthetic`.
        cameras: number of cameras, those of `Synthetic`.
        seed: 0 or larger; another seed gives other people and cameras.
        share: of bad crops, 0 … 0.5; the largest that can be asked for later. Runs of them vary: with 0.3, the
            standard deviation of a tracklet's own share is about 0.25.
        length: least and largest number of crops in a tracklet, half a second apart.
        height: least and largest height of a box in pixels; a walk leads from one height to another.
        severity: how bad the bad crops are.

    Raises:
        UserError: a number is out of range.

    Example:
        >>> TrackletSet(identities=2, cameras=1, length=(3, 3)).severity.hidden
        (0.4, 0.8)
    """

    identities: int = 100
    cameras: int = 3
    seed: int = 0
    share: float = 0.3
    length: tuple[int, int] = (8, 12)
    height: tuple[int, int] = (64, 144)
    severity: Severity = field(default_factory=Severity)

    def __post_init__(self):
        if self.identities < 2 or self.cameras < 1 or self.seed < 0:
            raise UserError(
                "A set of tracklets needs at least 2 identities, 1 camera and a seed from 0. Received: "
                f"identities={self.identities}, cameras={self.cameras}, seed={self.seed}."
            )
        if not 0 <= self.share <= 0.5:
            raise UserError(f"`share` of bad crops must be 0 … 0.5. Received: share={self.share}.")
        if not 1 <= self.length[0] <= self.length[1] or not 32 <= self.height[0] <= self.height[1] <= 800:
            raise UserError(
                "`length` must be (least, largest) from 1 crop, and `height` from 32 to 800 pixels. "
                f"Received: length={self.length}, height={self.height}."
            )


class Crop(NamedTuple):
    """One crop of a tracklet.

    Attributes:
        image: its pixels.
        box: `(4,)` left, top, right, bottom in pixels of the frame.
        others: boxes of other people in the frame, `(k, 4)`.
        kind: "good", or a kind of `Severity`.
        shows: identity of the person in the box; 0 for nobody.
    """

    image: Image.Image
    box: NDArray[np.float32]
    others: NDArray[np.float32]
    kind: str
    shows: int


class Walk(NamedTuple):
    """One person's way past one camera, one row for each crop.

    Attributes:
        boxes: `(n, 4)` of the whole person.
        yaw: `(n,)` radians, 0 from the front.
        advance: `(n,)` radians of the gait.
        danger: `(n,)` 0 … 1, uniform: the crop is bad at shares above.
        episode: `(n,)` number of the run that a bad crop is in.
        company: `(n,)` whether another person is behind.
    """

    boxes: NDArray[np.float64]
    yaw: NDArray[np.float64]
    advance: NDArray[np.float64]
    danger: NDArray[np.float64]
    episode: NDArray[np.int64]
    company: NDArray[np.bool_]


class TrackletStudio:
    """Takes the crops of a `TrackletSet`; a crop depends only on the set, its person, camera and number.

    Args:
        settings: the set.

    Example:
        >>> studio = TrackletStudio(TrackletSet(identities=2, cameras=1))
        >>> studio.take(identity=1, camera=1, number=0, bad=False).kind
        'good'
    """

    def __init__(self, settings: TrackletSet) -> None:
        self.settings = settings
        self._person = functools.lru_cache(maxsize=64)(self._draw_person)
        self.camera = functools.cache(self._draw_camera)
        self.walk = functools.lru_cache(maxsize=64)(self._draw_walk)

    def take(self, identity: int, camera: int, number: int, bad: bool) -> Crop:
        """One crop, good or bad; both show the same moment."""
        walk, place, severity = self.walk(identity, camera), self.camera(camera), self.settings.severity
        kind = self._kind(identity, camera, int(walk.episode[number])) if bad else "good"
        rng = self._stream("crop", identity, camera, number)
        box = walk.boxes[number]
        size = round(box[3] - box[1]), round(box[2] - box[0])
        light = place.ambient + 0.5 * place.sun

        shows = {"other": self._another(identity, camera, int(walk.episode[number])), "nobody": 0}.get(
            kind, identity
        )
        gait = self._stream("gait", shows, camera)
        subject = _Walking(self._person(shows or identity), gait, walk.advance[number])
        own, covered, feet = place.draw_subject(subject, rng, size, walk.yaw[number])
        picture = crop_scene(rng, place.scene, *size) * (place.ambient + 0.6 * place.sun)
        others = []
        if walk.company[number]:
            others += self._add_behind(picture, place, identity, camera, number, box)
        if shows:
            cast_shadow(picture, feet)
            picture = picture * (1 - covered) + own
        if kind == "person":
            others += self._add_in_front(picture, covered, place, identity, camera, number, box)
        elif kind == "thing":
            thing = self._stream("thing", identity, camera, int(walk.episode[number]))
            hide(thing, picture, light, severity.hidden)
        elif rng.random() < place.nuisance.occluded:
            draw_occluder(rng, picture, light)
        image = place.develop(picture, rng)
        if kind == "cut":
            way = choose(
                self._stream("cut", identity, camera, int(walk.episode[number])),
                {"left": 1, "right": 1, "bottom": 1, "upper": 1, "lower": 1},
            )
            kept = between(self._stream("kept", identity, camera, number), severity.left)
            image, box = _cut(image, box, way, kept)
        return Crop(
            image, np.array(box, np.float32), np.array(others, np.float32).reshape(-1, 4), kind, shows
        )

    def _kind(self, identity, camera, episode):
        severity = asdict(self.settings.severity)
        shares = {name: severity[name] for name in ("person", "thing", "cut", "other", "nobody")}
        return choose(self._stream("kind", identity, camera, episode), shares)

    def _another(self, identity, camera, episode, role="another"):
        """Somebody else of the set."""
        rng = self._stream(role, identity, camera, episode)
        return 1 + (identity - 1 + int(rng.integers(1, self.settings.identities))) % self.settings.identities

    def _add_in_front(self, picture, covered, place, identity, camera, number, box):
        """Draws another person over the picture, in place; returns the list of that person's box."""
        episode = int(self.walk(identity, camera).episode[number])
        rng = self._stream("in front", identity, camera, number)
        side = 1 if self._stream("side", identity, camera, episode).random() < 0.5 else -1
        light, mask = self._passer_by(place, identity, camera, number, rng, "another", picture.shape[:2])
        height, width = picture.shape[:2]
        down = round(between(rng, (0.02, 0.08)) * height)  # who stands lower in the picture is nearer
        wanted = between(rng, self.settings.severity.hidden)
        shifts = side * np.arange(0, width, max(1, width // 16))
        hidden = [float((covered * _shifted(mask, right, down)).sum()) for right in shifts]
        total = max(float(covered.sum()), 1.0)
        right = int(shifts[np.abs(np.array(hidden) / total - wanted).argmin()])
        picture *= 1 - _shifted(mask, right, down)
        picture += _shifted(light, right, down)
        return self._seen(rng, box, right, down)

    def _add_behind(self, picture, place, identity, camera, number, box):
        """Draws another person into the background, in place; returns the list of that person's box."""
        episode = int(self.walk(identity, camera).episode[number])
        rng = self._stream("behind", identity, camera, number)
        side = 1 if self._stream("side behind", identity, camera, episode).random() < 0.5 else -1
        light, mask = self._passer_by(place, identity, camera, number, rng, "behind", picture.shape[:2])
        height, width = picture.shape[:2]
        right = side * round(between(rng, (0.3, 0.6)) * width)
        up = round(between(rng, (0.03, 0.08)) * height)
        picture *= 1 - _shifted(mask, right, -up)
        picture += _shifted(light, right, -up)
        return self._seen(rng, box, right, -up)

    def _passer_by(self, place, identity, camera, number, rng, role, size):
        walk = self.walk(identity, camera)
        passer_by = self._another(identity, camera, int(walk.episode[number]), role)
        gait = self._stream("gait", passer_by, camera)
        subject = _Walking(self._person(passer_by), gait, walk.advance[number])
        yaw = place.yaw + self._stream("passing", passer_by, camera).normal(0, place.nuisance.yaw_spread)
        light, mask, _ = place.draw_subject(subject, rng, size, yaw)
        return light, mask

    def _seen(self, rng, box, right, down):
        detected = rng.random() < self.settings.severity.detected
        return [box + (right, down, right, down)] if detected else []

    def _draw_person(self, identity):
        return Person(stream(self.settings.seed, "person", "identity", identity))

    def _draw_camera(self, camera):
        return Camera(stream(self.settings.seed, "person", "camera", camera), PERSON_NUISANCE)

    def _draw_walk(self, identity, camera):
        settings, place = self.settings, self.camera(camera)
        rng = self._stream("walk", identity, camera)
        count = int(rng.integers(settings.length[0], settings.length[1] + 1))
        way = np.linspace(0, 1, count)
        first, last = (between(rng, settings.height) for _ in range(2))
        height = first + (last - first) * way
        left, right = between(rng, (0.15, 0.4)), between(rng, (0.6, 0.85))
        if rng.random() < 0.5:
            left, right = right, left
        middle = FRAME[1] * (left + (right - left) * way)
        bottom = 0.3 * FRAME[0] + 2.0 * height  # a flat ground: who is nearer stands lower
        boxes = np.stack([middle - height / 4, bottom - height, middle + height / 4, bottom], axis=1)
        turned = rng.normal(0, place.nuisance.yaw_spread) + np.pi * (rng.random() < place.nuisance.behind)
        yaw = place.yaw + turned + between(rng, (-0.5, 0.5)) * (way - 0.5)
        advance = between(rng, _STEP_SIZE) * np.arange(count)
        persistence = settings.severity.persistence
        danger = _correlated(rng, count, persistence)
        risky = danger < 0.5
        episode = np.cumsum(np.diff(risky, prepend=risky[:1]))
        company = _correlated(rng, count, persistence) < settings.severity.company
        return Walk(boxes, yaw, advance, danger, episode, company)

    def _stream(self, *keys):
        return stream(self.settings.seed, "tracklet", *keys)


class _Walking:
    """A person at one moment of a walk, as a camera takes it."""

    def __init__(self, person, gait, advance):
        self.faces, self.attributes, self.albedo = person.faces, person.attributes, person.albedo
        self._person, self._gait, self._advance = person, gait, advance

    def pose(self, rng):
        return self._person.pose(self._gait, self._advance)


def _correlated(rng, count, correlation):
    """`(count,)` numbers, each uniform in 0 … 1, whose neighbours are alike."""
    values = rng.standard_normal(count)
    for place in range(1, count):
        values[place] = correlation * values[place - 1] + math.sqrt(1 - correlation**2) * values[place]
    return np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in values])


def _shifted(picture, right, down):
    """`picture` `(height, width, channels)`, moved; what comes in is 0."""
    height, width = picture.shape[:2]
    moved = np.zeros_like(picture)
    rows, columns = max(0, height - abs(down)), max(0, width - abs(right))
    top, left = max(0, down), max(0, right)
    moved[top : top + rows, left : left + columns] = picture[
        max(0, -down) : max(0, -down) + rows, max(0, -right) : max(0, -right) + columns
    ]
    return moved


def _cut(image, box, way, kept):
    """The part of a crop that the edge of the frame or a wrong box leaves, and its box."""
    width, height = image.size
    wide, tall = max(8, round(kept * width)), max(8, round(kept * height))
    left, top, right, bottom = box
    return {
        # The part of the person that is still in the frame touches its edge.
        "left": lambda: (image.crop((width - wide, 0, width, height)), (0, top, wide, bottom)),
        "right": lambda: (image.crop((0, 0, wide, height)), (FRAME[1] - wide, top, FRAME[1], bottom)),
        "bottom": lambda: (image.crop((0, 0, width, tall)), (left, FRAME[0] - tall, right, FRAME[0])),
        "upper": lambda: (image.crop((0, 0, width, tall)), (left, top, right, top + tall)),
        "lower": lambda: (
            image.crop((0, height - tall, width, height)),
            (left, bottom - tall, right, bottom),
        ),
    }[way]()


def draw_tracklets(
    folder: str | os.PathLike[str], settings: TrackletSet, processes: int | None = None
) -> None:
    """Writes the crops of a set as JPEG files, and what they show.

    Args:
        folder: an existing empty folder; gets `good` (every crop as it is without mishaps), `bad` (those that are bad
            at the share of the set) and `truth`, a JSON file for each person.
        settings: the set.
        processes: how many to use; None for one per core. The crops do not depend on it.
    """
    folder = pathlib.Path(folder)
    for part in ("good", "bad", "truth"):
        (folder / part).mkdir()
    total = settings.identities * settings.cameras
    crops = total * sum(settings.length) // 2
    processes = max(1, min(processes or cores(), crops // WORTH_A_PROCESS))
    job = {"draws": "tracklets", "folder": str(folder), "settings": asdict(settings), "shares": processes}
    with progress("drawing tracklets", total, unit="tracklets") as advance:
        if processes == 1:
            for done in draw_share(job, 0):
                advance(done)
        else:
            draw_in_processes(job, advance)


def draw_share(job: dict[str, Any], share: int) -> Iterator[int]:
    """Draws every n-th person of a job, starting with the `share`-th; yields the number of tracklets of each."""
    settings = _of_json(job["settings"])
    folder, studio = pathlib.Path(job["folder"]), TrackletStudio(settings)
    for identity in range(1 + share, settings.identities + 1, job["shares"]):
        rows = []
        for camera in range(1, settings.cameras + 1):
            quality = studio.camera(camera).jpeg_quality
            for number, danger in enumerate(studio.walk(identity, camera).danger):
                for bad in (False, True)[: 1 + (danger < settings.share)]:
                    crop = studio.take(identity, camera, number, bad)
                    name = f"{'bad' if bad else 'good'}/{identity:04d}_c{camera}_{number:02d}.jpg"
                    (folder / name).write_bytes(encoded(crop.image, ".jpg", quality=quality))
                    rows.append(
                        {
                            "file": name,
                            "identity": identity,
                            "camera": camera,
                            "frame": identity * _FRAMES + number * STEP,
                            "box": crop.box.tolist(),
                            "others": crop.others.tolist(),
                            "danger": float(danger),
                            "kind": crop.kind,
                            "shows": crop.shows,
                        }
                    )
        (folder / "truth" / f"{identity:04d}.json").write_text(json.dumps(rows))
        yield settings.cameras


def read_tracklets(folder: str | os.PathLike[str], share: float) -> list[dict[str, Any]]:
    """The crops of a drawn set at a share of bad ones, in the order of people, cameras and time.

    Args:
        folder: from `draw_tracklets`.
        share: of bad crops, at most that of the set.

    Returns:
        A dict for each crop: `file` within the folder, `identity` whose tracklet it is in, `camera`, `frame`, `box`
        (left, top, right, bottom), `others` (boxes of others in the frame), `kind` ("good", or a kind of `Severity`)
        and `shows` (the identity in the box; 0 for nobody).
    """
    crops = []
    for file in sorted(pathlib.Path(folder, "truth").glob("*.json")):
        for row in read_json(file):
            if (row["kind"] != "good") == (row["danger"] < share):
                crops.append(row)
    return crops


def _of_json(settings):
    pairs = {name: tuple(settings[name]) for name in ("length", "height")}
    severity = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings["severity"].items()
    }
    return TrackletSet(**{**settings, **pairs, "severity": Severity(**severity)})
