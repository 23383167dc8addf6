"""What the operations of the service take and give back."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Hit:
    """A sighting that a search found.

    Args:
        sighting: its number.
        identity: number of its identity.
        name: of the identity, or None.
        camera: its name, or None.
        time: when it was seen, UTC, or None.
        source: name of the file.
        quality: 0 … 1, or None.
        distance: 1 − cosine similarity to the query, 0 … 2.
        probability: that it shows the same one, 0 … 1; None without a calibration.
        verdict: `"same"`, `"different"`, `"unsure"`; None without a calibration.
        reason: what limits the verdict, in words, or None.
        image: hexadecimal SHA-256 of the picture that is kept, by which it can be had; or None.
    """

    sighting: int
    identity: int
    name: str | None
    camera: str | None
    time: datetime.datetime | None
    source: str
    quality: float | None
    distance: float
    probability: float | None
    verdict: str | None
    reason: str | None
    image: str | None


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An identity that a search found.

    Args:
        identity: its number.
        name: or None.
        hits: its sightings among the results, nearest first.
    """

    identity: int
    name: str | None
    hits: tuple[Hit, ...]

    @property
    def best(self) -> Hit:
        """The nearest one."""
        return self.hits[0]


@dataclasses.dataclass(frozen=True)
class SearchAnswer:
    """What a search found.

    Args:
        hits: nearest first.
        verdicts: why there are no verdicts, in words; None if there are.
        vector: `(dim,)` the embedding that was searched for.
    """

    hits: tuple[Hit, ...]
    verdicts: str | None
    vector: NDArray[np.float32] = dataclasses.field(repr=False, compare=False)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The hits by identity, in the order of their nearest ones."""
        groups: dict[int, list[Hit]] = {}
        for hit in self.hits:
            groups.setdefault(hit.identity, []).append(hit)
        return tuple(Candidate(number, some[0].name, tuple(some)) for number, some in groups.items())


@dataclasses.dataclass(frozen=True)
class SeenSighting:
    """A sighting of an identity's page.

    Args:
        id: its number.
        camera: its name, or None.
        time: when it was seen, UTC, or None.
        source: name of the file.
        quality: 0 … 1, or None.
        note: any text, or None.
        image: hexadecimal SHA-256 of the picture that is kept, or None.
        enrolled: when.
    """

    id: int
    camera: str | None
    time: datetime.datetime | None
    source: str
    quality: float | None
    note: str | None
    image: str | None
    enrolled: datetime.datetime


@dataclasses.dataclass(frozen=True)
class SightingOf:
    """A sighting by itself, with its identity.

    Args:
        id: its number.
        identity, name: of its identity.
        camera, time, image: as in `SeenSighting`.
    """

    id: int
    identity: int
    name: str | None
    camera: str | None
    time: datetime.datetime | None
    image: str | None


@dataclasses.dataclass(frozen=True)
class IdentityView:
    """An identity with its sightings.

    Args:
        id: its number.
        subject: the random id that audits and receipts use.
        name: or None.
        sightings: those that the caller may see, oldest time first; those without a time come last.
        watched: its entry on the watch list, or None.
    """

    id: int
    subject: str
    name: str | None
    sightings: tuple[SeenSighting, ...]
    watched: Watch | None


@dataclasses.dataclass(frozen=True)
class IdentitySummary:
    """A line of the list of identities.

    Args:
        id: its number.
        name: or None.
        sightings: how many the caller may see.
        last: the latest time of one, or None.
        image: picture of its best sighting (by quality, then the newest), or None.
    """

    id: int
    name: str | None
    sightings: int
    last: datetime.datetime | None
    image: str | None


@dataclasses.dataclass(frozen=True)
class Enrolment:
    """What `enrol` did.

    Args:
        sighting: its number; that of the earlier one for a file that was enrolled already.
        identity: number of its identity.
        name: of the identity, or None.
        new: False if the file was enrolled already; then nothing changed.
    """

    sighting: int
    identity: int
    name: str | None
    new: bool


@dataclasses.dataclass(frozen=True)
class Change:
    """Something that was done and may be undone.

    Args:
        id: its number.
        at: when.
        by: name of the caller.
        action: `"rename"`, `"merge"` or `"split"`.
        identities: numbers of those concerned; of a merge the one that stayed, then those that went; of a split the new
            one, then the old one.
        names: theirs at that time; of a rename the old and the new one.
        sightings: how many were moved.
        undone: when, or None.
        can_be_undone: whether the caller may try to undo it; what was done since may still stand in its way.
    """

    id: int
    at: datetime.datetime
    by: str
    action: str
    identities: tuple[int, ...]
    names: tuple[str | None, ...]
    sightings: int
    undone: datetime.datetime | None
    can_be_undone: bool


@dataclasses.dataclass(frozen=True)
class LabelledPair:
    """An answer to "is this the same one?", for the next calibration.

    Args:
        id: its number.
        at: when.
        by: name of the caller.
        same: the answer.
        distance: between the two, 1 − cosine similarity, of the store's model at that time.
        model: fingerprint of that model.
        sighting: the one that was found.
        other: the one it was compared with; None for a picture that is not enrolled.
        cameras: of the two, None where unknown.
    """

    id: int
    at: datetime.datetime
    by: str
    same: bool
    distance: float
    model: str
    sighting: int
    other: int | None
    cameras: tuple[str | None, str | None]


@dataclasses.dataclass(frozen=True)
class Watch:
    """An identity on the watch list.

    Args:
        identity: its number.
        name: or None.
        distance: a new sighting that is at most so far from one of its sightings raises an event.
        by: name of the caller who put it there.
        since: when.
    """

    identity: int
    name: str | None
    distance: float
    by: str
    since: datetime.datetime


@dataclasses.dataclass(frozen=True)
class WatchEvent:
    """A new sighting that looks like somebody on the watch list.

    Args:
        id: its number; later events have larger ones.
        at: when.
        identity: number of the one who is watched.
        name: of them, or None.
        sighting: the new one.
        camera, time: of the new one, or None.
        distance: to the nearest sighting of the watched identity; 0 if it was enrolled as that identity.
        image: picture of the new sighting, or None.
    """

    id: int
    at: datetime.datetime
    identity: int
    name: str | None
    sighting: int
    camera: str | None
    time: datetime.datetime | None
    distance: float
    image: str | None


@dataclasses.dataclass(frozen=True)
class ServiceState:
    """The state of the store and the model.

    Args:
        identities, sightings: how many there are, or were a minute ago in a large store; those that the caller may see.
        store: its name, without a password.
        model: name of the model.
        fingerprint: of the model.
        dimension: numbers of an embedding.
        calibrated: whether searches give verdicts.
        recall: of the approximate index, as measured; None: the search is exact.
        keep: what is kept of images: `"images"`, `"thumbnails"` or `"nothing"`.
        cameras: names of those that the caller may see, sorted.
    """

    identities: int
    sightings: int
    store: str
    model: str
    fingerprint: str
    dimension: int
    calibrated: bool
    recall: float | None
    keep: str
    cameras: tuple[str, ...]


def plain(record: Any) -> dict[str, Any]:
    """A record as JSON values: times in ISO 8601; without embeddings."""
    values = ((field.name, getattr(record, field.name)) for field in dataclasses.fields(record))
    return {name: _plain(value) for name, value in values if not isinstance(value, np.ndarray)}


def _plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return plain(value) if dataclasses.is_dataclass(value) else value
