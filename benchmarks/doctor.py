"""What the doctor finds of planted mistakes: 20 wrong identities and 20 near copies among 2000 synthetic images.

    python benchmarks/doctor.py --model runs/quickstart --seeds 1 2 3

For each seed it draws persons that the model has never seen, 84 to train on and 54 to test with, 1980 images. It moves
20 images to another identity of the same part. It adds 20 copies, cropped by up to 3 % on each side, brightened or
darkened by up to 15 % and compressed to a quality of 55 to 90: in another part, under another identity, or as a query
under another camera. Then it counts what `keras-reid doctor` names, and adds a row to
benchmarks/results/doctor.csv. Half a minute a seed on two cores.
"""

import argparse
import pathlib
import shutil
import tempfile
import time

import numpy as np
from measuring import MACHINE, add_row, machine
from PIL import Image

from keras_reid.data import Folder
from keras_reid.data.doctor import Subject, examine
from keras_reid.data.synthetic.drawn_set import generate
from keras_reid.data.synthetic.presets import PARTS, Preset
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "doctor.csv"
COLUMNS = (
    *("seed", "images", "wrong_planted", "wrong_found", "wrong_false", "copies_planted", "copies_found"),
    *("copies_false", "seconds", "seconds_model", *MACHINE),
)
PRESET = Preset(train_identities=84, test_identities=54, cameras=6)
WRONG = {"train": 10, "gallery": 10}
COPIES = {"parts": 8, "identities": 8, "cameras": 4}


def plant(folder, seed, preset=PRESET, wrong=WRONG, copies=COPIES):
    """Draws a data set in the layout of `Folder`, and plants mistakes.

    Args:
        folder: where it is written; must be empty.
        seed: of the persons and of the choice.
        preset: its size.
        wrong: part → images that are moved to another identity.
        copies: kind → near copies that are added.

    Returns:
        `(wrong, copies)`: the paths of the moved images, and the pairs of an image and its copy as frozen sets.
    """
    rng = np.random.default_rng(seed)
    drawn = folder / "drawn"
    drawn.mkdir()
    generate(drawn, "person", preset, seed)
    files = {part: _sort_in(drawn / part, folder / part) for part in PARTS}
    shutil.rmtree(drawn)
    taken, moved = set(), set()
    for part, count in wrong.items():
        for file in _some(rng, files[part], taken, count):
            target = _other_identity(rng, folder / part, file.parent.name) / _name(file)
            moved.add(str(file.rename(target)))
    pairs = set()
    for kind, count in copies.items():
        part = {"parts": "train", "identities": "train", "cameras": "gallery"}[kind]
        for file in _some(rng, files[part], taken, count):
            camera = file.name[0]
            if kind == "parts":
                target = _other_identity(rng, folder / "gallery") / _name(file)
            elif kind == "identities":
                target = _other_identity(rng, folder / part, file.parent.name) / _name(file)
            else:
                other = rng.choice([name for name in "123456"[: preset.cameras] if name != camera])
                target = folder / "query" / file.parent.name / f"{other}_{_name(file)}"
            spoil(rng, file, target)
            pairs.add(frozenset((str(file), str(target))))
    return moved, pairs


def spoil(rng, source, target, crop=0.03, light=0.15):
    """Writes a near copy of an image."""
    with Image.open(source) as image:
        width, height = image.size
        left, right = rng.uniform(0, crop, 2) * width
        top, bottom = rng.uniform(0, crop, 2) * height
        box = (round(left), round(top), round(width - right), round(height - bottom))
        pixels = np.asarray(image.convert("RGB").crop(box), float) * rng.uniform(1 - light, 1 + light)
    brightened = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    brightened.save(target, "JPEG", quality=int(rng.integers(55, 91)))


def measure(folder, seed, model):
    """A row of the table."""
    from keras_reid.evaluation.analysis.model_findings import model_findings

    wrong, copies = plant(folder, seed)
    dataset = Folder().read(folder)
    subject = Subject(dataset, (dataset,))
    start = time.perf_counter()
    examination = examine(subject, "planted")
    half = time.perf_counter()
    examination = examination.with_findings(model_findings(subject, model, examination))
    end = time.perf_counter()
    lists = examination.to_dict()
    suspects, pairs = set(lists["suspect_identities"]), set(map(frozenset, lists["duplicates"]))
    return {
        "seed": seed,
        "images": len(examination.paths),
        "wrong_planted": len(wrong),
        "wrong_found": len(suspects & wrong),
        "wrong_false": len(suspects - wrong),
        "copies_planted": len(copies),
        "copies_found": len(pairs & copies),
        "copies_false": len(pairs - copies),
        "seconds": round(half - start, 1),
        "seconds_model": round(end - half, 1),
    }


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="runs/quickstart", help="run directory or .keras file")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], help="not 0: the quickstart's own persons"
    )
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    here = machine()
    from keras_reid.models import load_model

    model = load_model(options.model)
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(pathlib.Path(folder), seed, model) | here
        add_row(options.output, COLUMNS, ("seed", "device", "cores"), row)
        print(
            f"seed {seed}: {row['wrong_found']} of {row['wrong_planted']} wrong identities (and {row['wrong_false']} "
            f"false), {row['copies_found']} of {row['copies_planted']} copies (and {row['copies_false']} false) in "
            f"{row['images']} images; {row['seconds']} s, and {row['seconds_model']} s with the model",
            flush=True,
        )


def _sort_in(drawn, folder):
    """Moves `0007_c3_01.jpg` to `0007/3_01.jpg`; the new files."""
    files = []
    for file in sorted(drawn.iterdir()):
        identity, camera, rest = file.name.split("_")
        (folder / identity).mkdir(parents=True, exist_ok=True)
        files.append(file.rename(folder / identity / f"{camera[1:]}_{rest}"))
    return files


def _some(rng, files, taken, count):
    """Files that no mistake was planted in."""
    left = [file for file in files if file not in taken]
    chosen = [left[place] for place in rng.permutation(len(left))[:count]]
    taken.update(chosen)
    return chosen


def _name(file):
    """A name that is free in the folder of any other identity."""
    return f"{file.stem}_{file.parent.name}{file.suffix}"


def _other_identity(rng, folder, name=""):
    names = sorted(place.name for place in folder.iterdir() if place.name != name)
    return folder / names[rng.integers(len(names))]


if __name__ == "__main__":
    command_line.run(main)
