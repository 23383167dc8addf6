"""Enrols, names, merges, splits, answers, forgets."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from typing import Any

from keras_reid.gallery.images import kept_image
from keras_reid.gallery.postgres import answers as answer_rows
from keras_reid.gallery.postgres import changes as change_rows
from keras_reid.gallery.postgres import erasure
from keras_reid.gallery.postgres.store import active_model
from keras_reid.gallery.protocol import NewSighting
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.operations.looking import change_of, pair_of
from keras_reid.gallery.service.operations.open_gallery import (
    OpenGallery,
    changeable,
    visible,
    visible_sighting,
)
from keras_reid.gallery.service.records import Change, Enrolment, LabelledPair
from keras_reid.gallery.service.service_error import ServiceError

_LONGEST_NAME, _LONGEST_NOTE = 200, 2000  # characters
_MOST = 1000  # identities or sightings of one request


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
    """Enrols an image. Role: enrol.

    Args:
        gallery: the gallery.
        caller: who asks.
        content: bytes of a JPEG, PNG or BMP file from anybody.
        identity: number of one that is there, a name, or None: a new one without a name.
        camera, time, quality, note: as in `gallery.NewSighting`. A caller who is limited to cameras must name one.
        source: name of the file, for people.

    Raises:
        ServiceError: as `search_image`; or the camera is not the caller's.
    """
    caller.require("enrol")
    for what, text, most in (
        ("identity", identity, _LONGEST_NAME),
        ("camera", camera, _LONGEST_NAME),
        ("source", source, _LONGEST_NAME),
        ("note", note, _LONGEST_NOTE),
    ):
        check_text(what, text, most)
    if not caller.sees(camera):
        raise ServiceError(403, f"this token enrols only for the cameras {', '.join(caller.cameras or ())}")
    run = gallery.store.database.run
    if isinstance(identity, int):
        run(lambda connection: visible(connection, caller, identity))
    with gallery.decoding(content):
        embedding, kept = gallery.embedded(content), kept_image(content, gallery.keep)
    sighting = NewSighting(
        embedding,
        identity,
        camera,
        time,
        source,
        quality,
        note,
        kept,
        hashlib.sha256(content).digest(),
    )
    (number,) = gallery.store.add([sighting])

    def found(connection):
        return connection.execute(
            "SELECT s.id, s.identity, i.name, c.name FROM sightings s JOIN identities i ON i.id = s.identity "
            "LEFT JOIN cameras c ON c.id = s.camera WHERE s.digest = %s",
            [sighting.digest],
        ).fetchone()

    row = run(found)
    if row is None or not caller.sees(row[3]):
        raise ServiceError(409, "this file is enrolled already, or was erased meanwhile")
    return Enrolment(row[0], row[1], row[2], new=number is not None)


def rename(gallery: OpenGallery, caller: Caller, identity: int, name: str | None) -> Change:
    """Names an identity, or takes its name away. Role: enrol.

    Args:
        gallery: the gallery.
        caller: who asks.
        identity: its number.
        name: the new one; None: none.

    Raises:
        ServiceError: 409 if another one has the name: merge them.
    """
    check_text("name", name, _LONGEST_NAME)
    return _change(
        gallery,
        caller,
        [identity],
        lambda connection: change_rows.rename(connection, identity, name, caller.name),
    )


def merge(gallery: OpenGallery, caller: Caller, into: int, others: Sequence[int]) -> Change:
    """Moves all sightings of the others to one identity, whose name and number stay. Role: enrol.

    Args:
        gallery: the gallery.
        caller: who asks.
        into: the identity that stays.
        others: those that go.
    """
    others = _numbers("others", others)
    if into in others:
        raise ServiceError(400, f"an identity cannot be merged into itself. Received: {into} in both")
    return _change(
        gallery,
        caller,
        [into, *others],
        lambda connection: change_rows.merge(connection, into, others, caller.name),
    )


def split(gallery: OpenGallery, caller: Caller, sightings: Sequence[int], name: str | None = None) -> Change:
    """Moves sightings of one identity to a new one. Role: enrol.

    Args:
        gallery: the gallery.
        caller: who asks.
        sightings: some, not all, of one identity.
        name: of the new identity, or None.
    """
    caller.require("enrol")
    check_text("name", name, _LONGEST_NAME)
    sightings = _numbers("sightings", sightings)

    def work(connection):
        owners = {visible_sighting(connection, caller, number) for number in sightings}
        changeable(connection, caller, sorted(owners))
        return change_rows.split(connection, sightings, name, caller.name)

    return _change(gallery, caller, [], work)


def undo(gallery: OpenGallery, caller: Caller, change: int) -> Change:
    """Undoes a rename, merge or split. Role: enrol; a caller who is limited to cameras undoes only their own,
    of identities that they may still change.

    Returns:
        the change, with the time in `undone`.

    Raises:
        ServiceError: 409 if it is undone already, or something later stands in its way; 404.
    """

    def work(connection):
        row = change_rows.get(connection, change)
        if caller.cameras is not None:
            if row.by != caller.name:
                raise ServiceError(404, f"there is no change {change}")
            changeable(connection, caller, row.identities[:1] if row.action == "merge" else row.identities)
        return change_rows.undo(connection, change)

    return _change(gallery, caller, [], work)


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
        gallery: the gallery.
        caller: who asks.
        sighting: the one that was found.
        same: the answer.
        other: the sighting it was compared with; or
        distance: to the picture it was compared with, which is not enrolled, as the search gave it.

    Raises:
        ServiceError: 400 unless exactly one of `other` and `distance` is given; 404.
    """
    caller.require("enrol")
    if (other is None) == (distance is None):
        raise ServiceError(400, "an answer needs either `other` or `distance`. Received: both or neither")
    if other == sighting:
        raise ServiceError(400, "an answer is on two sightings. Received: one and the same")
    if distance is not None and not 0 <= distance <= 2:
        raise ServiceError(400, f"`distance` must be 0 to 2. Received: {distance}")

    def work(connection):
        for one in (sighting, *(() if other is None else (other,))):
            visible_sighting(connection, caller, one)
        number, model = active_model(connection)
        between = distance if other is None else answer_rows.distance(connection, number, [sighting, other])
        if between is None:
            raise ServiceError(404, "one of the sightings has no embedding of the present model")
        return answer_rows.keep(connection, caller.name, same, between, model.fingerprint, sighting, other)

    return pair_of(gallery.store.database.run(work))


def forget(gallery: OpenGallery, caller: Caller, identities: Sequence[int]) -> dict[str, Any]:
    """Erases identities with everything that is kept of them. It cannot be undone. Role: erase.

    Time: minutes in a large store; others go on searching.

    Args:
        gallery: the gallery.
        caller: who asks.
        identities: their numbers.

    Returns:
        the signed receipt.
    """
    caller.require("erase")
    identities = _numbers("identities", identities)

    def check(connection, numbers):
        changeable(connection, caller, numbers)

    gallery.store.database.run(lambda connection: check(connection, identities))
    try:
        # Checked again once nobody else can change them.
        return erasure.forget(gallery.store, identities, gallery.key, check)
    except change_rows.Conflict as error:
        raise ServiceError(409, str(error)) from None


def check_text(what: str, text: Any, most: int) -> None:
    """Refuses a text that is empty, too long, or holds control characters."""
    if not isinstance(text, str) or (what == "source" and not text):
        return
    if not text.strip():
        raise ServiceError(400, f"`{what}` must not be empty. Leave it out instead")
    if len(text) > most:
        raise ServiceError(400, f"`{what}` must have at most {most} characters. Received: {len(text)}")
    if any((ord(one) < 32 and one not in "\n\t") or 0xD800 <= ord(one) < 0xE000 for one in text):
        raise ServiceError(400, f"`{what}` must not hold control characters")


def _change(gallery, caller, identities, work):
    caller.require("enrol")

    def checked(connection):
        changeable(connection, caller, identities)
        return work(connection)

    try:
        return change_of(gallery.store.database.run(checked), caller)
    except change_rows.Conflict as error:
        raise ServiceError(409, str(error)) from None


def _numbers(what, numbers):
    numbers = list(dict.fromkeys(numbers))
    if not 1 <= len(numbers) <= _MOST:
        raise ServiceError(400, f"`{what}` must be 1 to {_MOST} numbers. Received: {len(numbers)}")
    return numbers
