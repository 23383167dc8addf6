"""What the API and the page can do. Each function checks the rights of the caller, and blocks: call it in a thread.

Errors are `ServiceError`s with the status of HTTP. A caller who is limited to cameras sees and finds only sightings of
these; an identity that has none of them does not exist for them (404), and what would change an identity that also has
others is refused (403).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.gallery.images import Keep
from keras_reid.gallery.protocol import Filters
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.records import (
    Change,
    Enrolment,
    IdentitySummary,
    IdentityView,
    LabelledPair,
    SearchAnswer,
    ServiceState,
    Watch,
    WatchEvent,
)

if TYPE_CHECKING:
    import datetime

    from keras_reid.evaluation import Calibration
    from keras_reid.gallery.postgres.named_references import NamedReference
    from keras_reid.gallery.postgres.store import PostgresStore


@dataclasses.dataclass(frozen=True)
class OpenGallery:
    """A store that is served, and the model of its embeddings.

    Args:
        store: opened with the model.
        embed: the embeddings of image files: `(n, dim)` float32 of unit length.
        calibration: of the model, or None.
        image_size: (height, width) of the model.
        keep: what to keep of images that are enrolled.
        max_bytes: of an image file.
        max_megapixels: of an image.
        key: file of the key that signs receipts; None: beside the store.
    """

    store: PostgresStore
    embed: Callable[[Sequence[bytes]], NDArray[np.float32]]
    calibration: Calibration | None
    image_size: tuple[int, int]
    keep: Keep = "thumbnails"
    max_bytes: int = 20 << 20
    max_megapixels: float = 25.0
    key: Path | None = None


def search_image(
    gallery: OpenGallery, caller: Caller, content: bytes, filters: Filters | None = None, top: int = 24
) -> SearchAnswer:
    """Finds who an image shows. Role: view.

    Args:
        content: bytes of a JPEG, PNG or BMP file from anybody. It is not kept.
        filters: which sightings to look at; None: all that the caller may see.
        top: most sightings.

    Raises:
        ServiceError: 413 or 415 for an image that must not be decoded; 400 for one that cannot be.
    """
    raise NotImplementedError


def search_vector(
    gallery: OpenGallery, caller: Caller, vector: ArrayLike, filters: Filters | None = None, top: int = 24
) -> SearchAnswer:
    """Finds the sightings that are nearest to an embedding. Role: view.

    Args:
        vector: `(dim,)` numbers of unit length.
        filters, top: as in `search_image`.
    """
    raise NotImplementedError


def search_sighting(
    gallery: OpenGallery, caller: Caller, sighting: int, filters: Filters | None = None, top: int = 24
) -> SearchAnswer:
    """Finds the sightings that are nearest to one that is enrolled, without itself. Role: view."""
    raise NotImplementedError


def identities(
    gallery: OpenGallery, caller: Caller, words: str = "", start: int = 0, count: int = 60
) -> tuple[int, list[IdentitySummary]]:
    """The identities, those with names first, by name. Role: view.

    Args:
        words: only those whose name holds these, in any case.
        start: how many to pass over.
        count: most to give.

    Returns:
        how many there are, and `count` of them.
    """
    raise NotImplementedError


def identity(gallery: OpenGallery, caller: Caller, key: int | str) -> IdentityView:
    """An identity by its number or its name. Role: view."""
    raise NotImplementedError


def image(gallery: OpenGallery, caller: Caller, key: str) -> bytes:
    """A picture that the store keeps: bytes of a JPEG. Role: view.

    Args:
        key: hexadecimal SHA-256, as in records.
    """
    raise NotImplementedError


def enrol(
    gallery: OpenGallery,
    caller: Caller,
    content: bytes,
    identity: int | str | None = None,
    camera: str | None = None,
    time: datetime.datetime | None = None,
    quality: float | None = None,
    note: str | None = None,
    source: str = "",
) -> Enrolment:
    """Enrols an image, and raises the events of those on the watch list whom it looks like. Role: enrol.

    Args:
        content: bytes of a JPEG, PNG or BMP file.
        identity: number of one that is there, a name, or None: a new one without a name.
        camera, time, quality, note: as in `gallery.NewSighting`.
        source: name of the file, for people.
    """
    raise NotImplementedError


def rename(gallery: OpenGallery, caller: Caller, identity: int, name: str | None) -> Change:
    """Names an identity, or takes its name away. Role: enrol.

    Raises:
        ServiceError: 409 if another one has the name: merge them.
    """
    raise NotImplementedError


def merge(gallery: OpenGallery, caller: Caller, into: int, others: Sequence[int]) -> Change:
    """Moves all sightings of the others to one identity, whose name and number stay. Role: enrol."""
    raise NotImplementedError


def split(gallery: OpenGallery, caller: Caller, sightings: Sequence[int], name: str | None = None) -> Change:
    """Moves sightings of one identity to a new one. Role: enrol.

    Args:
        sightings: some, not all, of one identity.
        name: of the new identity, or None.
    """
    raise NotImplementedError


def undo(gallery: OpenGallery, caller: Caller, change: int) -> Change:
    """Undoes a rename, merge or split; it becomes the change's `undone`. Role: enrol.

    Raises:
        ServiceError: 409 if it is undone already, or something later stands in its way.
    """
    raise NotImplementedError


def changes(gallery: OpenGallery, caller: Caller, count: int = 50) -> list[Change]:
    """The last changes, newest first. Role: view."""
    raise NotImplementedError


def answer(
    gallery: OpenGallery,
    caller: Caller,
    sighting: int,
    same: bool,
    other: int | None = None,
    distance: float | None = None,
) -> LabelledPair:
    """Keeps somebody's answer to "is this the same one?" for the next calibration. Role: enrol.

    Args:
        sighting: the one that was found.
        same: the answer.
        other: the sighting it was compared with; or
        distance: to the picture it was compared with, which is not enrolled, as the search gave it.
    """
    raise NotImplementedError


def answers(gallery: OpenGallery, caller: Caller) -> list[LabelledPair]:
    """All answers, oldest first. Role: admin."""
    raise NotImplementedError


def forget(gallery: OpenGallery, caller: Caller, identities: Sequence[int]) -> dict[str, Any]:
    """Erases identities with everything that is kept of them. It cannot be undone. Role: erase.

    Returns:
        the signed receipt.
    """
    raise NotImplementedError


def watch(gallery: OpenGallery, caller: Caller, identity: int, distance: float | None = None) -> Watch:
    """Puts an identity on the watch list, or changes its distance. Role: enrol.

    Args:
        identity: its number.
        distance: 0 … 2. None: where the calibration says "same", or 0 without a calibration; then only new sightings
            that are enrolled as this identity count.
    """
    raise NotImplementedError


def unwatch(gallery: OpenGallery, caller: Caller, identity: int) -> None:
    """Takes an identity off the watch list. Role: enrol."""
    raise NotImplementedError


def watches(gallery: OpenGallery, caller: Caller) -> list[Watch]:
    """The watch list, newest first. Role: view."""
    raise NotImplementedError


def events(gallery: OpenGallery, caller: Caller, after: int = 0, count: int = 100) -> list[WatchEvent]:
    """What happened to those on the watch list, oldest first. Role: view.

    Args:
        after: only events with a larger number.
        count: most to give.
    """
    raise NotImplementedError


def check(gallery: OpenGallery, caller: Caller) -> tuple[int, list[NamedReference]]:
    """The pictures that spoil the gallery. Takes a minute for 100 000. Role: enrol, without a limit of cameras.

    Returns:
        how many pictures there are, and those to look at, the clearest first.
    """
    raise NotImplementedError


def state(gallery: OpenGallery, caller: Caller) -> ServiceState:
    """The state of the store and the model. Role: view."""
    raise NotImplementedError
