"""What verdicts know of their limits: `python benchmarks/verdicts.py --model runs/quickstart --vehicles FOLDER`.

The model is the one of experiments/quickstart.py, trained on seed 0 of the synthetic persons. Each seed here is another
place: its own 200 persons and 6 cameras. 100 persons calibrate, the other 100 ask. Draws and embeds into --cache, once.
Writes benchmarks/results/verdicts.csv, one row for each seed and measure, with the limit it must keep.

Two parts share nothing but the model. All constants of calibration/domain.py, cameras.py and drift.py were chosen on
`--part development`: places 11 … 20, every second vehicle, and images of other kinds. What counts is `--part test`:
places 1 … 6 and the other vehicles.

A pair is caught if its verdict becomes "unsure" because an image looks unlike those of the calibration; one of its two
images is enough. `outside, …` is the share of images, and of pairs, that are outside. Vehicles are photographs,
TYPE_NUMBER_camC.jpg. `confident, …` is the share of pairs of different vehicles with the verdict "same", at a prior of
0.5, without and with the check.

Cameras: the wanted false-positive rate is 1 %. Drift: 2000 queries by day in random order, and 600 in the evening.
"""

import argparse
import contextlib
import dataclasses
import datetime
import pathlib
import re
import shutil

import measuring
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from keras_reid.data.synthetic.drawn_set import generate
from keras_reid.data.synthetic.presets import Preset
from keras_reid.evaluation import Distances, DriftAlarm, Features, calibrate, nearest
from keras_reid.evaluation.calibration import Calibration, appearances, fit_domain
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside

RESULTS = pathlib.Path(__file__).with_name("results") / "verdicts.csv"
COLUMNS = ("part", "seed", "measure", "value", "limit", "pairs", "date")
SEEDS = {"development": tuple(range(11, 21)), "test": tuple(range(1, 7))}
# The persons of "train" ask; their images are not used to train anything here.
DAY = Preset(train_identities=100, test_identities=100, cameras=6, train_images=4)
EVENING = Preset(train_identities=100, test_identities=1, cameras=6, train_images=1)
VEHICLES = Preset(train_identities=60, test_identities=1, cameras=6, train_images=1)
_DRAWN = r"(?P<identity>\d+)_c(?P<camera>\d)_\d+\.jpg"
_PHOTOGRAPHED = r"(?P<identity>\w+_\d+)_cam(?P<camera>\d+)\.jpg"
_CROPS = 150  # of each photograph
_PAIRS, _BY_DAY, _RATE = 20_000, 2000, 0.01


@dataclasses.dataclass(frozen=True)
class Images:
    """Embeddings, looks and labels of some images."""

    features: Features
    looks: np.ndarray
    parts: np.ndarray

    def of(self, *parts: str) -> "Images":
        """The images of some parts of a drawn set."""
        return self[np.isin(self.parts, parts)]

    def __getitem__(self, chosen):
        return Images(self.features[chosen], self.looks[chosen], self.parts[chosen])


@dataclasses.dataclass(frozen=True)
class Measure:
    """One figure.

    Args:
        name: what was measured.
        value: a number.
        limit: what it must keep, such as "<= 0.02"; empty for none.
        pairs: images, pairs or queries that it is a share of.
    """

    name: str
    value: float
    limit: str = ""
    pairs: int = 0


@contextlib.contextmanager
def _filled(folder: pathlib.Path):
    """Yields an empty folder that is renamed to `folder` at the end; None if that is there."""
    if folder.exists():
        yield None
        return
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    yield aside
    aside.rename(folder)


def draw(cache: pathlib.Path, kind: str, seed: int, domain: str = "day") -> pathlib.Path:
    """The folder of a drawn set, which is drawn if it is not there."""
    folder = cache / f"{kind}-{seed}-{domain}"
    preset = VEHICLES if kind == "vehicle" else DAY if domain == "day" else EVENING
    with _filled(folder) as empty:
        if empty:
            generate(empty, kind, preset, seed, domain=domain)
    return folder


def cut_photographs(cache: pathlib.Path) -> pathlib.Path:
    """The folder of random cut-outs of scikit-learn's two photographs, a temple and a flower."""
    folder = cache / "photographs"
    rng = np.random.default_rng(11)
    with _filled(folder) as empty:
        for number, pixels in enumerate(load_sample_images().images if empty else ()):
            for shot in range(_CROPS):
                high = int(rng.integers(48, pixels.shape[0]))
                wide = int(np.clip(high * rng.uniform(0.5, 1.6), 32, pixels.shape[1]))
                top, left = (
                    int(rng.integers(0, whole - part + 1))
                    for whole, part in zip(pixels.shape[:2], (high, wide), strict=True)
                )
                cut = Image.fromarray(pixels[top : top + high, left : left + wide])
                cut.thumbnail((112, 112), Image.Resampling.BOX)  # no larger than the vehicles
                cut.save(empty / f"{number:04d}_c0_{shot:03d}.jpg", quality=90)
    return folder


def read(model: str, folder: pathlib.Path, cache: pathlib.Path, pattern: str) -> Images:
    """Embeds the images of a folder, or reads what was kept of them.

    Args:
        model: run or model file.
        folder: of images.
        cache: folder for what is kept.
        pattern: of file names, with the groups identity and camera.
    """
    paths = sorted(folder.rglob("*.jpg"))
    if not paths:
        raise UserError(f"{folder}: there are no images")
    file = cache / f"{folder.name}.npz"
    if file.exists():
        with np.load(file) as kept:
            embeddings, looks = kept["embeddings"], kept["looks"]
    else:
        command_line.load_tensorflow()
        from keras_reid.embedding import embed_paths
        from keras_reid.models import load_model

        network = load_model(model)
        embeddings, looks = embed_paths(network, paths, 128), appearances(paths, network.image_size)
        with written_aside(file) as aside, open(aside, "wb") as stream:
            np.savez(stream, embeddings=embeddings, looks=looks)
    names = [re.fullmatch(pattern, path.name) for path in paths]
    identities = np.unique([name["identity"] for name in names], return_inverse=True)[1]
    cameras = np.array([int(name["camera"]) for name in names])
    parts = np.array([path.relative_to(folder).parts[0] for path in paths])
    shots = np.arange(len(paths))  # sorted by name, so that four of each person and camera come together
    return Images(Features(embeddings, identities, cameras, images=shots), looks, parts)


def measure_domain(
    calibration: Calibration, asking: Images, vehicles: Images, rng: np.random.Generator
) -> list[Measure]:
    """False alarms on other persons of the same place, catches on vehicles."""
    persons, cars = calibration.outside(asking.looks), calibration.outside(vehicles.looks)
    pairs = {
        name: rng.integers(0, len(mask), (2, _PAIRS)) for name, mask in (("own", persons), ("cars", cars))
    }
    one, other = pairs["cars"]
    different = vehicles.features.identities[one] != vehicles.features.identities[other]
    one, other = one[different], other[different]
    unit = vehicles.features.embeddings
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    same = calibration.probability(1 - np.sum(unit[one] * unit[other], axis=1), 0.5) >= calibration.same_above
    return [
        Measure("outside, persons' images", persons.mean(), "<= 0.02", len(persons)),
        Measure("outside, pairs of persons", persons[pairs["own"]].any(axis=0).mean(), "<= 0.02", _PAIRS),
        Measure("outside, vehicles' images", cars.mean(), ">= 0.9", len(cars)),
        Measure("outside, pairs of vehicles", cars[pairs["cars"]].any(axis=0).mean(), ">= 0.9", _PAIRS),
        Measure("confident, without the check", same.mean(), "", len(one)),
        Measure("confident, with it", (same & ~cars[one] & ~cars[other]).mean(), "", len(one)),
    ]


def measure_cameras(day: Images) -> list[Measure]:
    """Each camera is left out of the calibration in turn; then it meets all others, with other persons."""
    query, gallery, asking = (day.of(part).features for part in ("query", "gallery", "train"))
    rates, shares, impostors = [], [], []
    for camera in np.unique(query.cameras):
        calibration = calibrate(
            query[query.cameras != camera], gallery[gallery.cameras != camera], false_positive_rate=_RATE
        )
        new, known = asking[asking.cameras == camera], asking[asking.cameras != camera]
        distances = np.asarray(Distances(new, known))
        same = new.identities[:, None] == known.identities
        below = calibration.cameras["other"]
        rates.append(np.mean(distances[~same] < below))
        shares.append(np.mean(distances[same] < below) / np.mean(distances[same] < calibration.threshold))
        impostors.append(int((~same).sum()))
    pairs = min(impostors)
    return [
        Measure("camera left out, false positives, mean", float(np.mean(rates)), "<= 0.02", pairs),
        Measure("camera left out, false positives, highest", max(rates), "<= 0.02", pairs),
        Measure(
            "camera left out, true positives of the common threshold's, lowest", min(shares), ">= 0.9", pairs
        ),
    ]


def measure_drift(
    calibration: Calibration, day: Images, evening: Images, rng: np.random.Generator
) -> list[Measure]:
    """Searches by day, then in the evening, both in a gallery by day of other persons than the calibration's."""
    asking, later = day.of("train").features, evening.of("train").features
    first = asking.images % 4 < 2  # of four images of a person at a camera
    halves = asking[first], asking[~first]

    def best(query, gallery):
        return nearest(query, gallery, 1)[1][:, 0]

    scores = np.concatenate([best(*halves), best(*halves[::-1])])
    alarm = DriftAlarm(calibration.best_matches)
    alarm.add(rng.permutation(scores)[:_BY_DAY])
    by_day = alarm.drift is not None
    alarm = DriftAlarm(calibration.best_matches)
    found = alarm.add(rng.permutation(best(later, halves[0])))
    return [
        Measure("drift, alarms by day", float(by_day), "<= 0", _BY_DAY),
        Measure(
            "drift, queries in the evening until the alarm",
            found.query if found else np.inf,
            "<= 500",
            len(later),
        ),
    ]


def measure(seed: int, options: argparse.Namespace) -> list[Measure]:
    """All figures of one place."""
    rng = np.random.default_rng(seed)
    day, evening = (
        read(options.model, draw(options.cache, "person", seed, domain), options.cache, _DRAWN)
        for domain in ("day", "evening")
    )
    known = day.of("query", "gallery")
    calibration = calibrate(day.of("query").features, day.of("gallery").features, false_positive_rate=_RATE)
    domain = fit_domain(known.looks, known.features.identities)
    calibration = dataclasses.replace(calibration, domain=domain)
    others = []
    if options.part == "development":
        for name, folder in (
            ("outside, synthetic vehicles' images", draw(options.cache, "vehicle", 11)),
            ("outside, cut-outs of photographs", cut_photographs(options.cache)),
        ):
            mask = calibration.outside(read(options.model, folder, options.cache, _DRAWN).looks)
            others.append(Measure(name, mask.mean(), "", len(mask)))
    return [
        *measure_domain(calibration, day.of("train"), vehicles_of(options), rng),
        *others,
        *measure_cameras(day),
        *measure_drift(calibration, day, evening, rng),
    ]


def vehicles_of(options: argparse.Namespace) -> Images:
    """Every second vehicle, in the order of their names: the first is for development, the second for the test."""
    every = read(options.model, options.vehicles, options.cache, _PHOTOGRAPHED)
    return every[every.features.identities % 2 == (options.part == "test")]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="runs/quickstart", help="run or model file")
    parser.add_argument("--vehicles", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path("datasets/verdicts"),
        help="folder for images and, of one model, embeddings",
    )
    parser.add_argument("--part", choices=SEEDS, default="test")
    parser.add_argument("--seeds", type=int, nargs="+", help="places; by default all of the part")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    for seed in options.seeds or SEEDS[options.part]:
        for one in measure(seed, options):
            today = datetime.date.today().isoformat()
            values = (options.part, seed, one.name, f"{one.value:.4f}", one.limit, one.pairs, today)
            row = dict(zip(COLUMNS, values, strict=True))
            measuring.add_row(options.output, COLUMNS, ("part", "seed", "measure"), row)
            print(f"{options.part}, place {seed}: {one.name} {one.value:.4f} {one.limit}", flush=True)
    print(f"written to {options.output}")


if __name__ == "__main__":
    command_line.run(main)
