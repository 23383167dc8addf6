"""`python -m keras_reid.data.datasets.extract_cuhk03 FOLDER`: images and splits of CUHK03 from its MATLAB files."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import tyro

from keras_reid.data.datasets.matlab import read_matlab
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

_RELEASE = "cuhk03_release/cuhk-03.mat"
_BOXES = ("detected", "labeled")


@dataclasses.dataclass(frozen=True)
class ExtractCUHK03:
    """Write the images of CUHK03 as PNG files and its splits as JSON, as the reader CUHK03 expects them.

    Makes images_detected/, images_labeled/ (about 28,000 files) and four files splits_….json. The splits are written
    last, so that an interrupted extraction is not taken for a complete one.
    """

    folder: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="FOLDER")]
    """where cuhk03_release/cuhk-03.mat, cuhk03_new_protocol_config_labeled.mat and …_detected.mat are"""
    output: pathlib.Path | None = None
    """where to write; by default the same folder"""


def main(arguments: Sequence[str]) -> None:
    options = command_line.parse(
        ExtractCUHK03, arguments, prog="python -m keras_reid.data.datasets.extract_cuhk03"
    )
    extract(options.folder, options.output or options.folder)


def extract(folder: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
    """Reads the three `.mat` files in `folder` and writes images and splits to `output`.

    Raises:
        UserError: if a file is missing, damaged or of another kind.
    """
    import h5py

    from keras_reid.utils.files import write_json

    folder, output = pathlib.Path(folder), pathlib.Path(output)
    configs = {boxes: folder / f"cuhk03_new_protocol_config_{boxes}.mat" for boxes in _BOXES}
    for file in (folder / _RELEASE, *configs.values()):
        if not file.is_file():
            raise UserError(
                f"{file} does not exist; CUHK03 is distributed as {_RELEASE}, and its new protocol as "
                "cuhk03_new_protocol_config_labeled.mat and cuhk03_new_protocol_config_detected.mat"
            )
    splits = {f"splits_new_{boxes}.json": [_new_split(file)] for boxes, file in configs.items()}
    try:
        release = h5py.File(folder / _RELEASE, "r")
    except OSError:
        raise UserError(f"{folder / _RELEASE} is not a MATLAB file of version 7.3, or is damaged") from None
    with release:
        if missing := [name for name in (*_BOXES, "testsets") if name not in release]:
            raise UserError(f"{folder / _RELEASE} has no variable {missing[0]!r}; is it CUHK03's?")
        tests = [release[place][:].T.astype(int).tolist() for place in release["testsets"][0]]
        for boxes in _BOXES:
            persons = _write_images(release, boxes, output / f"images_{boxes}")
            splits[f"splits_classic_{boxes}.json"] = [_classic_split(persons, test) for test in tests]
    for name, content in splits.items():
        write_json(output / name, content)
    print(f"{output}: images and splits of CUHK03")


def _write_images(release, boxes, folder):
    """Writes the images. Returns (pair, person) → names of that person's files, in the order of the file."""
    from PIL import Image

    from keras_reid.utils.files import encoded
    from keras_reid.utils.progress import progress

    folder.mkdir(parents=True, exist_ok=True)
    pairs = [release[place][:].T for place in release[boxes][0]]  # (persons, 10) references each
    persons = {}
    with progress(f"{boxes} images", sum(pair.size for pair in pairs)) as advance:
        for pair, references in enumerate(pairs, start=1):
            for person, row in enumerate(references, start=1):
                names = persons[pair, person] = []
                for number, place in enumerate(row, start=1):
                    advance()
                    pixels = release[place][:].T
                    if pixels.ndim < 3 or pixels.size == 0:  # not every person has ten images
                        continue
                    view = 1 if number <= 5 else 2
                    names.append(f"{pair}_{person:03d}_{view}_{number:02d}.png")
                    image = Image.fromarray(np.ascontiguousarray(pixels, np.uint8))
                    (folder / names[-1]).write_bytes(encoded(image, ".png"))
    return persons


def _classic_split(persons, test):
    """The persons listed in `test` as [pair, person] form the test part. Identities count from 0 in both parts."""
    test = {tuple(person) for person in test}
    parts = {False: [], True: []}
    counts = {False: 0, True: 0}
    for person, names in persons.items():
        tested = person in test
        parts[tested] += [[name, counts[tested], _camera(name)] for name in names]
        counts[tested] += 1
    return {"train": parts[False], "query": parts[True], "gallery": parts[True]}


def _new_split(file):
    """Training identities count from 0 in the order of the labels; test identities are the labels."""
    variables = read_matlab(file)
    wanted = ("filelist", "labels", "train_idx", "query_idx", "gallery_idx")
    if missing := [name for name in wanted if name not in variables]:
        raise UserError(
            f"{file} has no variable {missing[0]!r}; is it a configuration of CUHK03's new protocol?"
        )
    names, (labels, *places) = variables["filelist"], (variables[name].ravel() for name in wanted[1:])
    train, query, gallery = ((place.astype(int) - 1).tolist() for place in places)  # MATLAB counts from 1
    labels = labels.astype(int).tolist()
    classes = {label: number for number, label in enumerate(sorted({labels[place] for place in train}))}
    return {
        "train": [[names[place], classes[labels[place]], _camera(names[place])] for place in train],
        "query": [[names[place], labels[place], _camera(names[place])] for place in query],
        "gallery": [[names[place], labels[place], _camera(names[place])] for place in gallery],
    }


def _camera(name):
    """0 for the first view of PAIR_PERSON_VIEW_IMAGE.png, 1 for the second."""
    match = re.fullmatch(r"\d+_\d+_([12])_\d+\.\w+", name)
    if match is None:
        raise UserError(
            f"CUHK03 names its images PAIR_PERSON_VIEW_IMAGE.png, where VIEW is 1 or 2. Received: {name!r}"
        )
    return int(match[1]) - 1


if __name__ == "__main__":
    command_line.run(main)
