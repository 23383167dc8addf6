"""The images that are examined: those to train on, and the test sets."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.sample import Sample

TRAIN, QUERY, GALLERY = "train", "query", "gallery"


class Place(NamedTuple):
    """Where an image is used: a sample, its part and its data set."""

    dataset: ReIDDataset
    part: str
    sample: Sample

    @property
    def tested(self) -> bool:
        """Whether it is a query or in a gallery."""
        return self.part != TRAIN

    @property
    def identity(self) -> str:
        return str(self.sample.identity)

    @property
    def camera(self) -> str | None:
        return None if self.sample.camera is None else str(self.sample.camera)

    def __str__(self):
        camera = "" if self.camera is None else f", camera {self.camera}"
        return f"{self.part}, {self.identity}{camera}"


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is trained on and what is tested on.

    Args:
        train: the `ReIDDataset` whose training part is used, if it has one.
        tests: `ReIDDataset`s whose query and gallery are used, where they have them; may hold `train` too.

    Example:
        >>> samples = [Sample(f"{i}_{c}.jpg", identity=i, camera=c) for i in "ab" for c in (0, 1)]
        >>> [str(place) for place in Subject(ReIDDataset("mine", samples)).places()][:2]
        ['train, a, camera 0', 'train, a, camera 1']
    """

    train: ReIDDataset | None
    tests: tuple[ReIDDataset, ...] = ()

    @property
    def datasets(self) -> list[ReIDDataset]:
        """Each data set once."""
        distinct = {id(dataset): dataset for dataset in (self.train, *self.tests) if dataset is not None}
        return list(distinct.values())

    def parts(self) -> list[tuple[ReIDDataset, str, Sequence[Sample]]]:
        """`(data set, part, samples)` of every part that is used and not empty."""
        parts = [] if self.train is None else [(self.train, TRAIN, self.train.train)]
        for dataset in self.tests:
            parts += [(dataset, QUERY, dataset.query), (dataset, GALLERY, dataset.gallery)]
        return [(dataset, part, samples) for dataset, part, samples in parts if samples]

    def places(self) -> list[Place]:
        """Every use of every image."""
        return [Place(dataset, part, sample) for dataset, part, samples in self.parts() for sample in samples]

    def paths(self) -> list[str]:
        """Every image file once."""
        return list(dict.fromkeys(place.sample.path for place in self.places()))
