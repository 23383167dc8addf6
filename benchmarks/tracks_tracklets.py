"""What `keras_reid.tracks.tracklets.summaries` gains over a plain mean: part `tracklets` of benchmarks/tracks.py.

Each seed is another place: 100 people walk past 3 cameras once, 8 to 12 crops each, drawn with bad crops among them
(`keras_reid.data.synthetic.tracklets`, its default severity, which was committed before the method). The model has
neither been trained on these people nor calibrated on them, if it is that of seed 0. Every tracklet asks for the
others of its person at other cameras.

- `mAP, …`: of the plain mean of a track's crops; of `summarise` (where it splits a track, the part whose kept crops
  have most quality stands for it); and of the mean of the good crops alone, which nobody can know.
- jumps: the start of one track and the end of another at the same camera, at least 3 crops each, as one track. Found:
  it is split there, give or take a crop.
- false splits: a track of one person is split, and both parts show mostly that person. Splits at bad crops, such as
  somebody else in the box until the track ends, are counted apart. `two cameras` joins two tracks of one person at two
  cameras: it looks different, and yet must not be split.

All constants of quality.py and summaries.py were chosen on the seeds 31 and 32.
"""

import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from keras_reid.data.synthetic.tracklets import FRAME, TrackletSet, draw_tracklets, read_tracklets
from keras_reid.embedding import l2_normalize
from keras_reid.evaluation import Features, evaluate
from keras_reid.tracks import Boxes
from keras_reid.tracks.tracklets.quality import geometric_quality, quality, sharpness
from keras_reid.tracks.tracklets.summaries import Summary, summarise
from keras_reid.utils import command_line
from keras_reid.utils.files import written_aside

SHARES = (0.0, 0.15, 0.3)
_ONE_CAMERA = 10_000  # tracks of a camera have numbers from a multiple of it
_LEAST = 3  # crops on each side of a jump


@dataclasses.dataclass(frozen=True)
class Tracked:
    """The crops of all tracks at one share of bad ones, a row each, sorted by track and time."""

    embeddings: np.ndarray
    quality: np.ndarray
    track: np.ndarray
    frame: np.ndarray
    identity: np.ndarray
    camera: np.ndarray
    good: np.ndarray

    def rows(self) -> list[np.ndarray]:
        """The rows of each track."""
        return np.split(np.arange(len(self.track)), np.flatnonzero(np.diff(self.track)) + 1)

    def __getitem__(self, rows: np.ndarray) -> "Tracked":
        return Tracked(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    def summarised(self) -> Summary:
        return summarise(self.embeddings, self.quality, self.track, self.frame)


def measure(seeds: Sequence[int], model: str, cache: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Yields the figures of each seed: dicts with seed, measure, value and limit."""
    for seed in seeds:
        folder = draw(cache, seed)
        pixels = read_pixels(model, folder)
        for share in SHARES:
            tracked = read(folder, share, *pixels)
            for name, value, limit in [*retrieval(tracked, share), *splits(tracked, seed)]:
                yield {"seed": seed, "measure": f"{name}, {share:.0%} bad", "value": value, "limit": limit}


def draw(cache: pathlib.Path, seed: int) -> pathlib.Path:
    """The folder of a drawn set, which is drawn if it is not there."""
    folder = cache / f"tracklets-{seed}"
    if not folder.exists():
        aside = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        draw_tracklets(aside, TrackletSet(seed=seed, share=max(SHARES)))
        aside.rename(folder)
    return folder


def read_pixels(model: str, folder: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The embedding, of unit length, and the sharpness of each file; kept beside the folder."""
    kept = folder.with_suffix(".npz")
    if not kept.exists():
        command_line.load_tensorflow()
        from keras_reid.embedding import embed_paths
        from keras_reid.models import load_model

        paths = sorted(folder.rglob("*.jpg"))
        names = [path.relative_to(folder).as_posix() for path in paths]
        sharp = [sharpness(np.asarray(Image.open(path).convert("RGB"))) for path in paths]
        embeddings = l2_normalize(embed_paths(load_model(model), paths, 128))
        with written_aside(kept) as aside, open(aside, "wb") as stream:
            np.savez(stream, names=names, embeddings=embeddings, sharp=sharp)
    with np.load(kept) as file:
        names = file["names"].tolist()
        return (
            dict(zip(names, file["embeddings"], strict=True)),
            dict(zip(names, file["sharp"].tolist(), strict=True)),
        )


def read(
    folder: pathlib.Path, share: float, embedding: dict[str, np.ndarray], sharp: dict[str, float]
) -> Tracked:
    """The crops of a drawn set at a share of bad ones, with their quality."""
    crops = read_tracklets(folder, share)
    crops.sort(key=lambda crop: (crop["camera"], crop["identity"], crop["frame"]))
    camera, identity, frame = (
        np.array([crop[name] for crop in crops]) for name in ("camera", "identity", "frame")
    )
    track = camera * _ONE_CAMERA + identity
    worth = np.empty(len(crops), np.float32)
    for number in np.unique(camera):
        here = np.flatnonzero(camera == number)
        # Whoever else is in a frame has a track of one box: nothing here looks at these tracks.
        others = [(frame[row], box) for row in here for box in crops[row]["others"]]
        strangers = (number + 1) * _ONE_CAMERA - 1 - np.arange(len(others))
        boxes = Boxes.sorted(
            np.concatenate([frame[here], [at for at, _ in others]]).astype(np.int64),
            np.concatenate([track[here], strangers]),
            [crops[row]["box"] for row in here] + [box for _, box in others],
        )
        own = np.flatnonzero(np.isin(boxes.track, track[here]))
        own = own[np.lexsort((boxes.frame[own], boxes.track[own]))]  # the order of `here`
        worth[here] = quality(
            geometric_quality(boxes, FRAME)[own], [sharp[crops[row]["file"]] for row in here]
        )
    return Tracked(
        embeddings=np.array([embedding[crop["file"]] for crop in crops]),
        quality=worth,
        track=track,
        frame=frame,
        identity=identity,
        camera=camera,
        good=np.array([crop["kind"] == "good" for crop in crops]),
    )


def retrieval(tracked: Tracked, share: float) -> list[tuple[str, float, str]]:
    """mAP of the three means, and what `summarise` gains."""
    rows = tracked.rows()
    first = np.array([part[0] for part in rows])
    score = functools.partial(_map, tracked.identity[first], tracked.camera[first])
    plain = score([tracked.embeddings[part].mean(axis=0) for part in rows])
    known = [part[tracked.good[part]] if tracked.good[part].any() else part for part in rows]
    mostly_bad = np.mean([tracked.good[part].mean() <= 0.5 for part in rows])
    summary = tracked.summarised()
    ours = score(summary.embedding[main_parts(summary, tracked.quality)])
    return [
        ("mAP, plain mean", plain, ""),
        ("mAP, summarise", ours, ""),
        ("mAP, good crops alone", score([tracked.embeddings[part].mean(axis=0) for part in known]), ""),
        ("mAP, gain of summarise", ours - plain, ">= 0.03" if share == max(SHARES) else ">= -0.005"),
        ("tracks at least half bad", float(mostly_bad), ""),
    ]


def main_parts(summary: Summary, quality: np.ndarray) -> np.ndarray:
    """Of each track, the tracklet whose kept crops have most quality, the first of equals."""
    total = np.bincount(summary.tracklet, quality * summary.kept, len(summary.track))
    order = np.lexsort((np.arange(len(total)), -total, summary.track))
    return order[np.unique(summary.track[order], return_index=True)[1]]


def _map(identity: np.ndarray, camera: np.ndarray, embeddings: Any) -> float:
    features = Features(np.asarray(embeddings), identity, camera)
    return evaluate(features, features).mAP


def splits(tracked: Tracked, seed: int) -> list[tuple[str, float, str]]:
    """How many jumps are found, and how many tracks of one person are split."""
    rng = np.random.default_rng(seed)
    rows = tracked.rows()
    false = bad = 0
    for part in rows:
        summary = tracked[part].summarised()
        if len(summary.track) > 1:
            own = [
                tracked.good[part][summary.tracklet == number].mean() for number in range(len(summary.track))
            ]
            one_person = sum(share > 0.5 for share in own) > 1
            false, bad = false + one_person, bad + (not one_person)
    found, one = [], []
    of = {(tracked.camera[part[0]], tracked.identity[part[0]]): part for part in rows}
    cameras, people = (np.unique(values) for values in (tracked.camera, tracked.identity))
    for (camera, person), part in of.items():
        stranger = of[
            camera, people[(np.searchsorted(people, person) + rng.integers(1, len(people))) % len(people)]
        ]
        joined, place = splice(tracked, part, stranger, rng)
        jumps = np.flatnonzero(np.diff(joined.summarised().tracklet)) + 1
        found.append(bool((np.abs(jumps - place) <= 1).any()))
        there = cameras[(np.searchsorted(cameras, camera) + 1) % len(cameras)]
        one.append(len(splice(tracked, part, of[there, person], rng)[0].summarised().track) > 1)
    return [
        ("jumps found", float(np.mean(found)), ""),
        ("false splits", false / len(rows), "<= 0.01"),
        ("splits at bad crops", bad / len(rows), ""),
        ("splits of one person at two cameras", float(np.mean(one)), ""),
    ]


def splice(
    tracked: Tracked, before: np.ndarray, after: np.ndarray, rng: np.random.Generator
) -> tuple[Tracked, int]:
    """The start of one track and the end of another as one track, and the place of the jump."""
    one, other = (int(rng.integers(_LEAST, len(rows) - _LEAST + 1)) for rows in (before, after))
    rows = np.concatenate([before[:one], after[-other:]])
    step = int(tracked.frame[before[1]] - tracked.frame[before[0]])
    joined = dataclasses.replace(
        tracked[rows], track=np.full(len(rows), 1), frame=step * np.arange(len(rows))
    )
    return joined, one
