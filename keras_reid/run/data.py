"""The data of a run: what an experiment describes, read and checked, and the training batches."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.doctor.finding import NOTE, by_severity
from keras_reid.data.doctor.labels import label_findings
from keras_reid.data.doctor.subject import Subject
from keras_reid.data.overlaps import check_contents
from keras_reid.data.samplers import draw_batches
from keras_reid.data.unreadable import check_images
from keras_reid.experiment.schema import Data, Experiment
from keras_reid.utils.errors import UserError


@dataclass(frozen=True)
class Datasets:
    """What is trained and tested on; one that is both is the same object."""

    train: ReIDDataset | None
    tests: list


def read_datasets(
    data: Data, train: bool = True, identities: bool = True, protocol: str | None = None
) -> tuple[ReIDDataset | None, list[ReIDDataset]]:
    """The training set and the test sets that an experiment's `data` describes, with every image checked.

    Args:
        data: `Experiment.data`.
        train: whether the training part is needed.
        identities: whether the identities of the training part may be used. If not, each image counts as a separate
            identity, and the sampler is not asked whether it can draw them.
        protocol: under which the test sets will be evaluated; None for their own.

    Returns:
        The training `ReIDDataset` (None without `train`) and a list of test `ReIDDataset`s.

    Raises:
        UserError: for a missing set, two test sets of one name, an unreadable image (unless `skip_unreadable`), or
            files in two roles; see `keras_reid.data.overlaps`, which also warns.
    """
    datasets = list_images(data, train, identities, protocol)
    datasets = check_datasets(datasets, data.skip_unreadable, identities)
    return datasets.train, datasets.tests


def list_images(
    data: Data, train: bool = True, identities: bool = True, protocol: str | None = None
) -> Datasets:
    """The first half of `read_datasets`, which takes seconds: no image is decoded.

    Returns:
        `Datasets`.
    """
    readers = [*([data.dataset] if train else []), *(data.test_datasets or [data.dataset])]
    read = {}
    for reader in readers:
        if id(reader) not in read:
            dataset = read_dataset(reader, data.root, protocol)
            if train and not read and not identities:
                dataset = _without_identities(dataset)
            elif train and not read:
                # Raises where there are too few identities.
                draw_batches(data.sampler, *dataset.train_labels(), seed=0, epoch=0)
            read[id(reader)] = dataset
    tests = [read[id(reader)] for reader in data.test_datasets or [data.dataset]]
    names = [dataset.name for dataset in tests]
    if len(set(names)) < len(names):
        raise UserError(
            f"test sets must have different names, as results are listed by name. Received: {names}"
        )
    for dataset in tests:
        dataset.test_labels()  # says what is missing before any training
    return Datasets(read[id(data.dataset)] if train else None, tests)


def check_datasets(datasets: Datasets, skip_unreadable: bool, identities: bool = True) -> Datasets:
    """The second half of `read_datasets`: every image is decoded, which takes a while.

    Returns:
        `Datasets`, without the images that are left out.
    """
    distinct = {id(dataset): dataset for dataset in (datasets.train, *datasets.tests) if dataset is not None}
    readable = {key: _readable(dataset, skip_unreadable) for key, dataset in distinct.items()}
    train = readable.get(id(datasets.train))
    tests = [readable[id(dataset)] for dataset in datasets.tests]
    check_contents(tests, train, identities)  # last, as it takes little time for files that were just read
    return Datasets(train, tests)


def print_doubts(datasets: Datasets, identities: bool = True) -> None:
    """Prints what identities and cameras alone tell of mistakes, the short form of `keras-reid doctor`.

    Nothing where nothing is wrong. Time: about 10 µs an image.

    Args:
        datasets: `Datasets`.
        identities: whether the identities of the training part are used.
    """
    subject = Subject(datasets.train if identities else None, tuple(datasets.tests))
    findings = [finding for finding in by_severity(label_findings(subject)) if finding.severity != NOTE]
    for finding in findings:
        print(f"{finding.severity} in the data: {finding.sentence}")
    if findings:
        print("keras-reid doctor FILE.py also examines the images")


def read_dataset(reader: Any, root: str | os.PathLike[str], protocol: str | None = None) -> ReIDDataset:
    """One `ReIDDataset`, with its statistics printed, and no image decoded; with another protocol, if one is given.

    Raises:
        UserError: if it is missing, or `reader` has no `read`.
    """
    if not callable(getattr(reader, "read", None)):
        raise UserError(
            f"a data set must be an object with read(root), such as data.Folder(). Received: {reader!r}"
        )
    dataset = reader.read(root)
    if protocol and dataset.query:
        dataset = replace(dataset, protocol=protocol)
    dataset.print_statistics()
    return dataset


@dataclass(frozen=True, eq=False)
class IdentityBatches:
    """Training batches of the data set's identities.

    Args:
        experiment: an `Experiment`.
        dataset: its training set.
        pixels: a `PixelCache` of the training images; None decodes them in every epoch.
        more_labels: as in `keras_reid.data.pipeline.train_batches`.
    """

    experiment: Experiment
    dataset: ReIDDataset
    pixels: Any = None
    more_labels: Callable | None = None
    _made: dict = field(default_factory=dict, init=False, repr=False)

    renewed: ClassVar[bool] = False
    """whether the batches of an epoch depend on what was learnt before it"""

    @classmethod
    def of(cls, experiment: Experiment, dataset: ReIDDataset) -> Self:
        """The batches that an experiment describes, with its cache filled.

        Raises:
            UserError: memory or disk is too small for the cache.
        """
        from keras_reid.data.pixel_cache import PixelCache

        cache = experiment.data.cache
        paths = [sample.path for sample in dataset.train]
        return cls(experiment, dataset, None if cache is None else PixelCache.of(paths, cache))

    @cached_property
    def names(self) -> list[str]:
        """Of the labels, by their numbers."""
        return self.dataset.train_labels()[2]

    @property
    def classes(self) -> int:
        """How many identities the head tells apart."""
        return len(self.names)

    @cached_property
    def _shape(self):
        labels = self.dataset.train_labels()
        seed = self.experiment.training.seed
        return draw_batches(self.experiment.data.sampler, *labels, seed=seed, epoch=0).shape

    @property
    def steps_per_epoch(self) -> int:
        return self._shape[0]

    @property
    def batch_size(self) -> int:
        """Images of a step."""
        return self._shape[1]

    def check(self) -> None:
        """Makes the first batches, so that mistakes in them show before the model is built.

        Raises:
            UserError: as the sampler and the augmentation.
        """
        self.start(None, 0)

    def start(
        self,
        model: Any,
        epoch: int,
        step: int = 0,
        epochs: int | None = None,
        part: tuple[int, int] | None = None,
    ) -> Any:
        """A `tf.data.Dataset` of the batches from any step on.

        Args:
            model: in training; not used, as these batches do not depend on it.
            epoch, step: the first.
            epochs: the epoch to stop before; None for the end of the training.
            part: `(index, count)` of several workers; None for the whole batches.
        """
        wanted = (epoch, step, epochs, part)
        if wanted not in self._made:  # making them traces every augmentation, which takes seconds
            self._made[wanted] = self.make(
                self.dataset,
                self.experiment.data.sampler,
                first_epoch=epoch,
                first_step=step,
                epochs=epochs or self.experiment.training.epochs,
                part=part or (0, 1),
            )[0]
        return self._made[wanted]

    def make(
        self,
        dataset: ReIDDataset,
        sampler: Any,
        first_epoch: int,
        first_step: int,
        epochs: int,
        part: tuple[int, int],
    ) -> Any:
        """`train_batches` of a data set with the same images, prepared as the experiment says."""
        from keras_reid.data.pipeline import train_batches

        return train_batches(
            dataset,
            sampler,
            image_size=self.experiment.model.image_size,
            augmentation=self.experiment.data.augmentation,
            seed=self.experiment.training.seed,
            epochs=epochs,
            first_epoch=first_epoch,
            first_step=first_step,
            pixels=self.pixels,
            part=part,
            more_labels=self.more_labels,
        )


def _without_identities(dataset):
    """The data set with its training images numbered instead."""
    numbers = {}
    samples = [
        replace(sample, identity=numbers.setdefault(sample.path, len(numbers))) for sample in dataset.train
    ]
    return replace(dataset, train=samples)


def _readable(dataset, skip_unreadable):
    """The data set without the images that cannot be read, which are listed; or an error that names them."""
    parts = {"train": dataset.train, "query": dataset.query, "gallery": dataset.gallery}
    paths = list(dict.fromkeys(sample.path for samples in parts.values() for sample in samples))
    readable = check_images(paths, skip_unreadable=skip_unreadable)
    if len(readable) == len(paths):
        return dataset
    good = {paths[index] for index in readable}
    return replace(
        dataset,
        **{part: [sample for sample in samples if sample.path in good] for part, samples in parts.items()},
    )
