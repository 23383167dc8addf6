"""What every store of a gallery can do, and the records that go in and come out."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class KeptImage:
    """An image as a store keeps it.

    Args:
        hash: SHA-256 of the content.
        content: the file.
        kind: `"image"` or `"thumbnail"`.
    """

    hash: bytes
    content: bytes
    kind: str


@dataclasses.dataclass(frozen=True, eq=False)
class NewIdentity:
    """An identity without a name that a call of `Store.add` makes: one for all sightings that hold the same object.

    Example:
        >>> somebody = NewIdentity()
        >>> with keras_reid.gallery.open("gallery-store", embedder) as store:  # doctest: +SKIP
        ...     store.add([NewSighting(row, somebody) for row in embedder(["a.jpg", "b.jpg"])])
        [1, 2]
    """


@dataclasses.dataclass(frozen=True)
class NewSighting:
    """An image to enrol.

    Args:
        embedding: `(dim,)` float32 of unit length.
        identity: the name of an identity, which is made if it is new; the number of one that is there; a `NewIdentity`,
            to share one without a name with others; or None: a new one without a name.
        camera: name of the camera, or None.
        time: when the image was taken, with a time zone; None if unknown.
        source: where the image came from, such as its path.
        quality: of the image, 0 … 1, or None.
        note: any text, or None.
        image: what to keep of the image, or None.
        digest: of the file that is enrolled. A store takes each only once; None is always taken.
    """

    embedding: NDArray[np.float32]
    identity: str | int | NewIdentity | None = None
    camera: str | None = None
    time: datetime.datetime | None = None
    source: str = ""
    quality: float | None = None
    note: str | None = None
    image: KeptImage | None = None
    digest: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Sighting:
    """An image that is enrolled.

    Args:
        id: its number in the store.
        camera, time, source, quality, note: as in `NewSighting`; the time is UTC.
        image: SHA-256 of the image that is kept, or None.
    """

    id: int
    camera: str | None
    time: datetime.datetime | None
    source: str
    quality: float | None
    note: str | None
    image: bytes | None


@dataclasses.dataclass(frozen=True)
class Identity:
    """A person, vehicle, animal or thing.

    Args:
        id: its number in the store; in a folder index its only image's path.
        subject: a random id, which audits and receipts use instead of the name; empty in a folder index.
        name: None if it has none.
        sightings: its `Sighting`s, oldest enrolment first.
    """

    id: int | str
    subject: str
    name: str | None
    sightings: tuple[Sighting, ...]


@dataclasses.dataclass(frozen=True)
class Filters:
    """Which sightings a search looks at; those of all filters at once.

    Args:
        cameras: names of cameras; none: all.
        after: the earliest time, with a zone, or None. A sighting without a time is never found by time.
        before: the time that a sighting must be earlier than, or None.
        identities: numbers of identities; none: all.
        quality: the least quality, 0 … 1, or None. A sighting without a quality is never found by it.

    Raises:
        UserError: a time has no zone, `before` is not after `after`, or `quality` is not 0 … 1.
    """

    cameras: tuple[str, ...] = ()
    after: datetime.datetime | None = None
    before: datetime.datetime | None = None
    identities: tuple[int, ...] = ()
    quality: float | None = None

    def __post_init__(self) -> None:
        for name in ("after", "before"):
            time = getattr(self, name)
            if time is not None and time.tzinfo is None:
                raise UserError(f"`{name}` must have a time zone. Received: {time.isoformat()}.")
        if self.after is not None and self.before is not None and self.before <= self.after:
            raise UserError(
                f"`before` must be later than `after`. Received: {self.after.isoformat()} to {self.before.isoformat()}."
            )

        if self.quality is not None and not 0 <= self.quality <= 1:
            raise UserError(f"`quality` must be 0 to 1. Received: {self.quality}.")

    def __bool__(self) -> bool:
        return self != Filters()


@dataclasses.dataclass(frozen=True)
class Found:
    """A sighting that a search found.

    Args:
        sighting: its number.
        identity: number of its identity; in a folder index the path.
        name: of the identity, or None.
        camera, time, source: as in `Sighting`.
        distance: 1 − cosine similarity to the query, 0 … 2.
    """

    sighting: int
    identity: int | str
    name: str | None
    camera: str | None
    time: datetime.datetime | None
    source: str
    distance: float


@dataclasses.dataclass(frozen=True)
class Counts:
    """How much a store holds."""

    identities: int
    sightings: int


class Store(Protocol):
    """The core of a gallery's store. Close it, or use it in a `with` block.

    `keras_reid.gallery.open` gives one. All embeddings of a store come from one model, which it knows by fingerprint.
    """

    def model(self) -> ModelIdentity | None:
        """The model whose embeddings the store holds; None in an empty store that no model has been set for."""
        ...

    def add(self, sightings: Sequence[NewSighting]) -> list[int | None]:
        """Enrols images, all or none. What came back is on disk.

        Returns:
            the number of each new sighting; None for one whose digest is enrolled already.

        Raises:
            UserError: an embedding has another length, is not finite or not of unit length, or belongs to another
                model; a record cannot be kept by this store.
        """
        ...

    def search(self, queries: ArrayLike, filters: Filters = ..., top: int = 10) -> list[list[Found]]:
        """The nearest sightings of each query, nearest first.

        Args:
            queries: `(n, dim)` float32 of unit length, of the store's model.
            filters: which sightings to look at.
            top: sightings for each query.
        """
        ...

    def get(self, identity: int | str) -> Identity:
        """An identity by its number or its name.

        Raises:
            UserError: there is none.
        """
        ...

    def remove(self, identities: Sequence[int | str]) -> int:
        """Removes identities with all their sightings; the number of sightings removed.

        Raises:
            UserError: there is no such identity; then none is removed.
        """
        ...

    def known(self, digests: Collection[bytes]) -> set[bytes]:
        """Those of the files' digests that are enrolled."""
        ...

    def count(self) -> Counts:
        """How many identities and sightings there are."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


Address = str | Path  # of a store: a folder, or the URL of a server
