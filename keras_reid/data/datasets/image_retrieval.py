"""What the data sets of image retrieval have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from keras_reid.data.dataset import LEAVE_ONE_OUT, ReIDDataset
from keras_reid.data.datasets.layout import read_list
from keras_reid.data.sample import Sample

LISTS = "train.txt and test.txt with lines PATH,CLASS (as FastReID reads it)"


def leave_one_out(name: str, train: Sequence[Sample], test: Sequence[Sample]) -> ReIDDataset:
    """A `ReIDDataset` whose test images are each searched for among all the others."""
    return ReIDDataset(name, train, test, test, protocol=LEAVE_ONE_OUT)


def divide(name: str, samples: Sequence[Sample], training_classes: int) -> ReIDDataset:
    """The first classes to train on, the others to test on."""
    train = [sample for sample in samples if sample.identity <= training_classes]  # type: ignore[operator]
    test = [sample for sample in samples if sample.identity > training_classes]  # type: ignore[operator]
    return leave_one_out(name, train, test)


def read_train_and_test(name: str, folder: Path, layout: str) -> ReIDDataset:
    """The data set of FastReID's lists `train.txt` and `test.txt`."""
    return leave_one_out(
        name, *(read_pairs(folder / f"{part}.txt", folder, layout) for part in ("train", "test"))
    )


def read_pairs(file: Path, folder: Path, layout: str) -> list[Sample]:
    """Samples of a list of FastReID's, `PATH,CLASS` in each line, with paths below `folder`."""
    lines = read_list(file, r"(?P<path>[^,]+),\s*(?P<label>[^,\s]+)", "PATH,CLASS", layout)
    return [Sample(os.path.join(folder, line["path"]), line["label"]) for line in lines]
