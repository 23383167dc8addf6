"""A re-identification data set: a training part, and a test part of queries and gallery."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.overlaps import check_paths
from keras_reid.data.protocols import ALL, CROSS_CAMERA, LEAVE_ONE_OUT, PROTOCOLS
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

NO_CAMERA = -1


@dataclasses.dataclass(frozen=True)
class ReIDDataset:
    """Samples to train on, samples to search for (query), and samples to search among (gallery).

    Train and test identities are normally different, but need not be. Either the training part or the whole
    test part (query and gallery) may be empty; who asks for the missing part is told so.

    Args:
        name: name of the set, for tables and files.
        train: samples to train on.
        query: test samples to search for.
        gallery: test samples to search among; may hold identities without query (distractors), and files that
            are in the query too, under the same camera.
        protocol: which gallery samples count for a query. `"cross_camera"`: those of the same identity and
            the same camera are left out (Market-1501's protocol). `"all"`: every one counts, so that no file may
            be in both. `"leave_one_out"`: query and gallery are the same samples, and each is searched for among all
            the others (image retrieval's protocol). None: cross-camera if every test sample has a camera, else all.
        split: how the parts were chosen, in words, for the table; empty if the set came with its own split.
        read_as: how identities and cameras were read, in words, for the table; empty if the set's form is known.
        validation: training images that the set's authors set apart for validation; used by `combine_all` alone.
        junk: identities of the test part that are nobody in particular (background); used by `combine_all` alone,
            which leaves them out.

    Raises:
        UserError: if every part is empty, or only one of query and gallery is; if the protocol is unknown or
            needs cameras that are missing; if no query has a match in the gallery under the protocol; if a file has two
            identities, or is in query and gallery where it counts.

    Example:
        >>> samples = [Sample(f"{i}_{c}.jpg", identity=i, camera=c) for i in "ab" for c in (0, 1)]
        >>> dataset = ReIDDataset("mine", train=samples, query=samples[::2], gallery=samples[1::2])
        >>> dataset.train_labels()[0]
        array([0, 0, 1, 1], dtype=int32)
    """

    name: str
    train: Sequence[Sample] = ()
    query: Sequence[Sample] = ()
    gallery: Sequence[Sample] = ()
    protocol: str | None = None
    split: str = ""
    validation: Sequence[Sample] = ()
    junk: tuple[int | str, ...] = ()
    read_as: str = ""

    def __post_init__(self):
        for part in ("train", "query", "gallery", "validation", "junk"):
            object.__setattr__(self, part, tuple(getattr(self, part)))
        if self.protocol is None:
            object.__setattr__(self, "protocol", ALL if self._without_camera() else CROSS_CAMERA)
        self._check_protocol()
        check_paths(self)
        self._check_parts()

    def train_labels(self) -> tuple[NDArray[np.int32], NDArray[np.int32], list[str]]:
        """Class numbers of the training samples, in their order.

        Returns:
            identities: int32 `(samples,)`, class numbers 0 … C − 1.
            cameras: int32 `(samples,)`, camera numbers from 0, −1 where unknown.
            names: the C identities as strings in class order, which is lexicographic ("10" before "2"), as in
                FastReID, so that imported classifiers keep their meaning.

        Raises:
            UserError: if there is no training part.
        """
        if not self.train:
            raise UserError(f"data set {self.name!r} has no training images: it can only be evaluated")
        identities, names = _numbers([sample.identity for sample in self.train])
        cameras, _ = _numbers([sample.camera for sample in self.train])
        return identities, cameras, names

    def test_labels(
        self,
    ) -> tuple[tuple[NDArray[np.int32], NDArray[np.int32]], tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Numbers of identities and cameras of the test samples, the same in query and gallery.

        Returns:
            `((query identities, query cameras), (gallery identities, gallery cameras))`, int32 `(samples,)`
            each; an unknown camera is −1.

        Raises:
            UserError: if there is no test part.
        """
        if not self.query:
            raise UserError(
                f"data set {self.name!r} has no query and gallery: it can only be trained on; name others as "
                "test_datasets to evaluate"
            )
        both, size = [*self.query, *self.gallery], len(self.query)
        identities, _ = _numbers([sample.identity for sample in both])
        cameras, _ = _numbers([sample.camera for sample in both])
        return (identities[:size], cameras[:size]), (identities[size:], cameras[size:])

    def statistics(self) -> list[dict[str, Any]]:
        """One row a part that is not empty: `{"subset", "identities", "images", "cameras"}`.

        Unknown cameras are not counted.
        """
        return [
            {
                "subset": part,
                "identities": len({str(sample.identity) for sample in samples}),
                "images": len(samples),
                "cameras": len({str(sample.camera) for sample in samples if sample.camera is not None}),
            }
            for part, samples in (("train", self.train), ("query", self.query), ("gallery", self.gallery))
            if samples
        ]

    def print_statistics(self, console: Console | None = None) -> None:
        """Prints the statistics, the protocol and the split as a table on `console` (a `rich` console)."""
        import rich.console
        import rich.table

        table = rich.table.Table(title=f"data set {self.name}", title_justify="left")
        for column in ("subset", "identities", "images", "cameras"):
            table.add_column(column, justify="left" if column == "subset" else "right")
        for row in self.statistics():
            table.add_row(*(str(value) for value in row.values()))
        console = console or rich.console.Console()
        console.print(table)
        console.print(f"protocol: {PROTOCOLS[self.protocol]}" if self.query else "no test part")  # type: ignore[index]
        if self.split:
            console.print(f"split: {self.split}")
        if self.read_as:
            console.print(f"read as: {self.read_as}", markup=False)

    def _without_camera(self):
        return [sample for sample in self.query + self.gallery if sample.camera is None]

    def _check_protocol(self):
        if self.protocol not in PROTOCOLS:
            names = ", ".join(map(repr, PROTOCOLS))
            raise UserError(f"`protocol` must be one of {names}. Received: {self.protocol!r}")
        if self.protocol == CROSS_CAMERA and (missing := self._without_camera()):
            raise UserError(
                f"the protocol 'cross_camera' needs the camera of every query and gallery image, but "
                f"{len(missing)} of data set {self.name!r} have none, the first is {missing[0].path}; "
                "give their cameras, or set protocol='all'"
            )

    def _check_parts(self):
        if not (self.train or self.query or self.gallery):
            raise UserError(f"data set {self.name!r} is empty: no training, query or gallery images")
        if bool(self.query) != bool(self.gallery):
            empty, full = ("gallery", "query") if self.query else ("query", "gallery")
            raise UserError(
                f"data set {self.name!r} has {len(getattr(self, full))} {full} images but no {empty} images: "
                "a test part needs both"
            )
        if not self.query:
            return
        (identities, cameras), (gallery_identities, gallery_cameras) = self.test_labels()
        shared = np.isin(identities, gallery_identities)
        if not shared.any():
            raise UserError(
                f"no query of data set {self.name!r} has its identity in the gallery, so there is nothing to "
                f"find (first query: identity {self.query[0].identity!r}, first gallery image: identity "
                f"{self.gallery[0].identity!r}); check how the identities are read"
            )
        if self.protocol == ALL:
            both = {sample.path for sample in self.query} & {sample.path for sample in self.gallery}
            if both:
                raise UserError(
                    f"{len(both)} files of data set {self.name!r} are in query and gallery, the first is {min(both)}: "
                    "under the protocol 'all' each would find itself; take them out of one of the two"
                )
        if self.protocol == LEAVE_ONE_OUT:
            self._check_leave_one_out(identities)
        if self.protocol == CROSS_CAMERA:
            pairs = {}
            for identity, camera in zip(gallery_identities.tolist(), gallery_cameras.tolist(), strict=True):
                pairs.setdefault(identity, set()).add(camera)
            queries = zip(identities.tolist(), cameras.tolist(), strict=True)
            if not any(pairs.get(identity, set()) - {camera} for identity, camera in queries):
                raise UserError(
                    f"no query of data set {self.name!r} has its identity in the gallery under another "
                    "camera, as the protocol 'cross_camera' asks; check how the cameras are read, or set "
                    "protocol='all'"
                )

    def _check_leave_one_out(self, identities):
        if self.query != self.gallery:
            raise UserError(
                "the protocol 'leave_one_out' searches for each test image among all the others, so that query and "
                f"gallery of data set {self.name!r} must hold the same images in the same order. Received: "
                f"{len(self.query)} and {len(self.gallery)} images that differ; set protocol='all' where the gallery "
                "has other images than the query"
            )
        counts = collections.Counter(sample.path for sample in self.query)
        if twice := [path for path, count in counts.items() if count > 1]:
            raise UserError(
                f"{len(twice)} test images of data set {self.name!r} are there twice, the first is {twice[0]}: under "
                "the protocol 'leave_one_out' it would find itself; take one out"
            )
        if np.bincount(identities).max() < 2:
            raise UserError(
                f"no identity of the test part of data set {self.name!r} has two images, so that there is nothing to "
                "find under the protocol 'leave_one_out'; check how the identities are read"
            )


def _numbers(values):
    """Numbers 0 … n − 1 in the lexicographic order of the strings, −1 for None, and the n strings."""
    names = sorted({str(value) for value in values if value is not None})
    order = {name: number for number, name in enumerate(names)}
    numbers = [NO_CAMERA if value is None else order[str(value)] for value in values]
    return np.array(numbers, dtype=np.int32), names
