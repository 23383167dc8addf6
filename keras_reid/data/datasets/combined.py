"""Several data sets as one, or all parts of one."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Combined:
    """Several data sets to train on at once, or all parts of one.

    It has no test part: name the sets to test on as `test_datasets` of the experiment.

    Args:
        datasets: readers, such as `(Market1501(), DukeMTMC())`; all are looked for below the same root.
        combine_all: also trains on validation, query and gallery images, except junk identities.
        name: of the combined set, for tables; empty: the names joined by "+".

    Raises:
        UserError: if `datasets` is empty or holds something else than readers.

    Example:
        >>> both = Combined((Market1501(), DukeMTMC())).read("datasets")
        >>> both.name, both.train_labels()[2][:2]
        ('market1501+dukemtmc', ['dukemtmc_1', 'dukemtmc_10'])

    Source: FastReID's `DATASETS.NAMES` and `DATASETS.COMBINEALL`, whose classes have the same names and order.
    """

    datasets: tuple[Any, ...]
    combine_all: bool = False
    name: str = ""

    def __post_init__(self):
        if not isinstance(self.datasets, (tuple, list)) or not self.datasets:
            raise UserError(f"`datasets` must be a tuple of one reader or more. Received: {self.datasets!r}")
        for reader in self.datasets:
            if not callable(getattr(reader, "read", None)):
                raise UserError(
                    f"`datasets` must hold readers, objects with read(root), such as Market1501(). Received: {reader!r}"
                )
        object.__setattr__(self, "datasets", tuple(self.datasets))

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads every set below `root`.

        Raises:
            UserError: if one cannot be read, or they cannot be combined; see `combine`.
        """
        read = [reader.read(root) for reader in self.datasets]
        return combine([combine_all(dataset) if self.combine_all else dataset for dataset in read], self.name)


def combine(datasets: Sequence[ReIDDataset], name: str = "") -> ReIDDataset:
    """One training part of several data sets.

    Identities and cameras get the name of their set in front, `"market1501_2"`, so that those of different sets stay
    different. The test parts are left out: name the sets to test on one by one.

    Args:
        datasets: list of `ReIDDataset`.
        name: of the combined set; empty: the names joined by "+".

    Returns:
        a `ReIDDataset` without test part.

    Raises:
        UserError: if a set has no training part, two sets have one name or get an identity of one name, or an
            image gets two identities.

    Example:
        >>> a = ReIDDataset("a", train=[Sample("a/1.jpg", identity=1, camera=0)])
        >>> b = ReIDDataset("b", train=[Sample("b/1.jpg", identity=1)])
        >>> combine([a, b]).train_labels()[2]
        ['a_1', 'b_1']
    """
    names = [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise UserError(f"data sets that are combined must have different names. Received: {names}")
    owners, train = {}, []
    for dataset in datasets:
        if not dataset.train:
            raise UserError(
                f"data set {dataset.name!r} has no training images, so it has nothing to combine; leave it out, or "
                "train on its query and gallery with combine_all=True"
            )
        renamed = [_renamed(sample, f"{dataset.name}_") for sample in dataset.train]
        for identity in dict.fromkeys(sample.identity for sample in renamed):
            if owners.setdefault(identity, dataset.name) != dataset.name:
                raise UserError(
                    f"data sets {owners[identity]!r} and {dataset.name!r} both get an identity {identity!r}; give "
                    "one of them another name"
                )
        train += renamed
    name = name or "+".join(names)
    identities = {}
    for sample in train:
        if (first := identities.setdefault(sample.path, sample.identity)) != sample.identity:
            raise UserError(
                f"{sample.path} is combined twice, as identity {first!r} and as {sample.identity!r}; leave one out"
            )
    return ReIDDataset(name, train)


def combine_all(dataset: ReIDDataset) -> ReIDDataset:
    """A data set that is trained on in all its parts: train, validation, query and gallery.

    The identities and cameras of query and gallery get "test_" in front, as training and test identities with the
    same number are different persons, or may be. Junk identities are left out. An image that is in query and gallery
    is taken once. The test part stays as it is: results on it then say nothing about unseen identities.

    Args:
        dataset: a `ReIDDataset`.

    Returns:
        the `ReIDDataset` with the larger training part.

    Raises:
        UserError: if a training identity has the name that a test identity gets.

    Example:
        >>> test = [Sample(f"{camera}.jpg", identity=7, camera=camera) for camera in (0, 1)]
        >>> dataset = ReIDDataset("mine", [Sample("2.jpg", identity=7, camera=0)], test[:1], test[1:])
        >>> combine_all(dataset).train_labels()[2]
        ['7', 'test_7']

    Source: FastReID's `DATASETS.COMBINEALL`, whose classes have the same order.
    """
    junk = {str(identity) for identity in dataset.junk}
    test = [sample for sample in [*dataset.query, *dataset.gallery] if str(sample.identity) not in junk]
    test = [_renamed(sample, "test_") for sample in test]
    train = [*dataset.train, *dataset.validation]
    both = {str(sample.identity) for sample in train} & {sample.identity for sample in test}
    if both:
        raise UserError(
            f"data set {dataset.name!r} has a training identity {min(both)!r}, the name that a test identity gets "
            "when all parts are combined; rename it"
        )
    return dataclasses.replace(dataset, train=(*train, *dict.fromkeys(test)), validation=())


def _renamed(sample, prefix):
    camera = None if sample.camera is None else f"{prefix}{sample.camera}"
    return Sample(sample.path, f"{prefix}{sample.identity}", camera)
