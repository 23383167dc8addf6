"""What the store holds: identities, pictures, changes, answers, its state."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.gallery.images import sound_image
from keras_reid.gallery.postgres import answers as answer_rows
from keras_reid.gallery.postgres import changes as change_rows
from keras_reid.gallery.postgres import rows
from keras_reid.gallery.postgres.named_references import check_references
from keras_reid.gallery.postgres.store import active_model, recall_of
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.operations.open_gallery import (
    OpenGallery,
    camera_list,
    check_count,
    no_identity,
    visible,
    visible_sighting,
)
from keras_reid.gallery.service.records import (
    Change,
    IdentitySummary,
    IdentityView,
    LabelledPair,
    SeenSighting,
    ServiceState,
    SightingOf,
    Watch,
)
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.named_references import NamedReference

_MANY, _KEPT = 100_000, 60.0  # sightings whose count is kept for so many seconds
_HASH = re.compile(r"[0-9a-f]{64}")
_ALL_COUNTS = "SELECT (SELECT count(*) FROM identities), (SELECT count(*) FROM sightings)"
_SEEN_COUNTS = (
    "SELECT count(*), coalesce(sum(seen), 0)::bigint FROM (SELECT count(*) AS seen FROM sightings WHERE camera = "
    "ANY(ARRAY(SELECT id FROM cameras WHERE name = ANY(%s))) GROUP BY identity) i"
)
_SEEN = "(%(cameras)s::text[] IS NULL OR c.name = ANY(%(cameras)s))"


def identities(
    gallery: OpenGallery, caller: Caller, words: str = "", start: int = 0, count: int = 60
) -> tuple[int, list[IdentitySummary]]:
    """The identities, those with names first, by name. Role: view.

    Args:
        gallery: the gallery.
        caller: who asks.
        words: only those whose name holds these, in any case.
        start: how many to pass over.
        count: most to give, 1 … 200.

    Returns:
        how many there are, and `count` of them.
    """
    caller.require("view")
    check_count(count)
    if start < 0:
        raise ServiceError(400, f"`start` must be at least 0. Received: {start}")
    values = {"words": words, "start": start, "count": count, "cameras": camera_list(caller)}
    everybody = (
        "FROM identities i WHERE (%(words)s = '' OR position(lower(%(words)s{0}) IN lower(name{0})) > 0) "
        "AND (%(cameras)s::text[] IS NULL OR EXISTS (SELECT FROM sightings s JOIN cameras c ON c.id = s.camera "
        "WHERE s.identity = i.id AND c.name = ANY(%(cameras)s)))"
    )

    def work(connection):
        collation = _collation(connection)
        which, order = everybody.format(collation), f"ORDER BY name IS NULL, lower(name{collation}), id"
        (total,) = connection.execute(f"SELECT count(*) {which}", values).fetchone()
        found = connection.execute(
            f"WITH page AS (SELECT id, name {which} {order} "
            "LIMIT %(count)s OFFSET %(start)s), seen AS (SELECT s.id, s.identity, s.seen, s.image, s.quality "
            "FROM sightings s JOIN page ON page.id = s.identity LEFT JOIN cameras c ON c.id = s.camera "
            f"WHERE {_SEEN}) "
            "SELECT id, name, (SELECT count(*) FROM seen WHERE identity = page.id), "
            "(SELECT max(seen.seen) FROM seen WHERE identity = page.id), "
            "(SELECT encode(image, 'hex') FROM seen WHERE identity = page.id AND image IS NOT NULL "
            "ORDER BY quality DESC NULLS LAST, id DESC LIMIT 1) "
            f"FROM page {order}",
            values,
        ).fetchall()
        return total, [IdentitySummary(*row) for row in found]

    return gallery.store.database.run(work)


def _collation(connection):
    """One that knows the small letters of all alphabets, where the server has one; the database's own knows ASCII."""
    row = connection.execute(
        "SELECT quote_ident(collname) FROM pg_collation WHERE collname IN ('pg_c_utf8', 'und-x-icu') "
        "ORDER BY collname LIMIT 1"
    ).fetchone()
    return f" COLLATE {row[0]}" if row else ""


def identity(gallery: OpenGallery, caller: Caller, key: int | str) -> IdentityView:
    """An identity by its number or its name. Role: view.

    Raises:
        ServiceError: 404.
    """
    caller.require("view")

    def work(connection):
        try:
            (number,) = rows.find_identities(connection, [key])
            visible(connection, caller, number)
        except UserError:  # in the same words, so that nobody learns whom others see
            raise no_identity(key) from None
        subject, name = connection.execute(
            "SELECT subject::text, name FROM identities WHERE id = %s", [number]
        ).fetchone()
        seen = connection.execute(
            "SELECT s.id, c.name, s.seen, s.source, s.quality, s.note, encode(s.image, 'hex'), s.enrolled "
            "FROM sightings s LEFT JOIN cameras c ON c.id = s.camera WHERE s.identity = %(id)s "
            f"AND {_SEEN} ORDER BY s.seen NULLS LAST, s.id",
            {"id": number, "cameras": camera_list(caller)},
        ).fetchall()
        watched = connection.execute(
            "SELECT distance, by, since FROM watches WHERE identity = %s", [number]
        ).fetchone()
        return IdentityView(
            number,
            subject,
            name,
            tuple(SeenSighting(*row) for row in seen),
            Watch(number, name, *watched) if watched else None,
        )

    return gallery.store.database.run(work)


def sighting(gallery: OpenGallery, caller: Caller, number: int) -> SightingOf:
    """A sighting, with its identity. Role: view.

    Args:
        gallery: the gallery.
        caller: who asks.
        number: of the sighting.

    Raises:
        ServiceError: 404.
    """
    caller.require("view")

    def work(connection):
        visible_sighting(connection, caller, number)
        return SightingOf(
            *connection.execute(
                "SELECT s.id, i.id, i.name, c.name, s.seen, encode(s.image, 'hex') FROM sightings s "
                "JOIN identities i ON i.id = s.identity LEFT JOIN cameras c ON c.id = s.camera WHERE s.id = %s",
                [number],
            ).fetchone()
        )

    return gallery.store.database.run(work)


def image(gallery: OpenGallery, caller: Caller, key: str) -> bytes:
    """A picture that the store keeps: bytes of a JPEG. Role: view.

    Args:
        gallery: the gallery.
        caller: who asks.
        key: hexadecimal SHA-256, as in records.

    Raises:
        ServiceError: 404.
    """
    caller.require("view")
    row = None
    if _HASH.fullmatch(key):
        row = gallery.store.database.run(
            lambda connection: connection.execute(
                "SELECT i.bytes FROM images i WHERE hash = %(hash)s AND EXISTS (SELECT FROM sightings s "
                f"LEFT JOIN cameras c ON c.id = s.camera WHERE s.image = i.hash AND {_SEEN})",
                {"hash": bytes.fromhex(key), "cameras": camera_list(caller)},
            ).fetchone()
        )
    if row is None:
        raise ServiceError(404, "there is no such picture")
    return sound_image(bytes.fromhex(key), bytes(row[0]))


def changes(gallery: OpenGallery, caller: Caller, count: int = 50) -> list[Change]:
    """The last changes, newest first; for a caller who is limited to cameras, their own. Role: view."""
    caller.require("view")
    check_count(count)
    by = None if caller.cameras is None else caller.name
    found = gallery.store.database.run(lambda connection: change_rows.latest(connection, count, by))
    return [change_of(row, caller) for row in found]


def change_of(row: change_rows.Row, caller: Caller) -> Change:
    """A row of the table as a record."""
    return Change(
        row.id,
        row.at,
        row.by,
        row.action,
        tuple(row.identities),
        tuple(row.names),
        len(row.sightings),
        row.undone,
        row.undone is None and caller.has("enrol"),
    )


def answers(gallery: OpenGallery, caller: Caller) -> list[LabelledPair]:
    """All answers, oldest first; for a caller who is limited to cameras, those on sightings of these. Role: admin."""
    caller.require("admin")
    pairs = [pair_of(row) for row in gallery.store.database.run(answer_rows.all_rows)]
    return [
        one
        for one in pairs
        if caller.sees(one.cameras[0]) and (one.other is None or caller.sees(one.cameras[1]))
    ]


def pair_of(row: Sequence[Any]) -> LabelledPair:
    """A row of `postgres.answers` as a record."""
    number, at, by, same, distance, model, sighting, other, *cameras = row
    return LabelledPair(number, at, by, same, distance, model, sighting, other, (cameras[0], cameras[1]))


def check(gallery: OpenGallery, caller: Caller) -> tuple[int, list[NamedReference]]:
    """The pictures that spoil the gallery. Takes a minute for 100 000. Role: enrol, without a limit of cameras.

    Returns:
        how many pictures there are, and those to look at, the clearest first.
    """
    caller.require("enrol")
    if caller.cameras is not None:
        raise ServiceError(403, "this looks at all pictures. Received: a token that is limited to cameras")
    return check_references(gallery.store)


def cameras(gallery: OpenGallery, caller: Caller) -> tuple[str, ...]:
    """The names of the cameras that the caller may see, sorted. Role: view."""
    caller.require("view")
    return gallery.store.database.run(lambda connection: _cameras(connection, caller))


def _cameras(connection, caller):
    names = connection.execute("SELECT name FROM cameras ORDER BY name").fetchall()
    return tuple(name for (name,) in names if caller.sees(name))


def state(gallery: OpenGallery, caller: Caller) -> ServiceState:
    """The state of the store and the model. Role: view.

    Time: a pass over identities and sightings; a large store is counted once a minute.
    """
    caller.require("view")

    def work(connection):
        number, model = active_model(connection)
        return ServiceState(
            *_counts(gallery, connection, caller.cameras),
            gallery.store.name,
            model.name,
            model.fingerprint,
            model.dimension,
            gallery.calibration is not None,
            recall_of(connection, number),
            gallery.keep,
            _cameras(connection, caller),
        )

    return gallery.store.database.run(work)


def _counts(gallery, connection, cameras):
    """How many identities and sightings there are, or those of cameras."""
    known, until = gallery.counts.get(cameras, (None, 0.0))
    if time.monotonic() < until:
        return known
    query, values = (_ALL_COUNTS, []) if cameras is None else (_SEEN_COUNTS, [list(cameras)])
    found = connection.execute(query, values).fetchone()
    if found[1] >= _MANY:
        gallery.counts[cameras] = found, time.monotonic() + _KEPT
    return found
