"""Adds and deletes the rows of sightings: identities, cameras, images, sightings, vectors."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.postgres import vectors
from keras_reid.gallery.protocol import NewIdentity, NewSighting
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection


def add_rows(
    connection: Connection, model: int, sightings: Sequence[NewSighting], embeddings: NDArray[np.float32]
) -> tuple[list[int | None], set[int]]:
    """Adds sightings.

    Args:
        connection: within a transaction.
        model: number of the model that made the embeddings.
        sightings: `NewSighting`s.
        embeddings: `(n, dim)` float32, checked.

    Returns:
        the number of each sighting, None for one whose digest is there already; and the identities that got some.

    Raises:
        UserError: an identity's number is unknown.
    """
    taken = known_digests(connection, [one.digest for one in sightings if one.digest is not None])
    new = []
    for place, one in enumerate(sightings):
        if one.digest is None or one.digest not in taken:
            new.append(place)
            if one.digest is not None:
                taken.add(one.digest)
    ids: list[int | None] = [None] * len(sightings)
    if not new:
        return ids, set()
    records = [sightings[place] for place in new]
    identities = _identities(connection, records)
    cameras = _names(connection, "cameras", {one.camera for one in records if one.camera is not None})
    _keep_images(connection, records)
    numbers = _numbers(connection, "sightings", len(records))
    with connection.cursor().copy(
        "COPY sightings (id, identity, camera, seen, zone, source, digest, quality, note, image) FROM STDIN"
    ) as copy:
        for one, number, identity in zip(records, numbers, identities, strict=True):
            copy.write_row(
                (
                    number,
                    identity,
                    None if one.camera is None else cameras[one.camera],
                    one.time,
                    None if one.time is None else _zone(one.time),
                    one.source,
                    one.digest,
                    one.quality,
                    one.note,
                    None if one.image is None else one.image.hash,
                )
            )
    rows = (
        (number, identity, None if one.camera is None else cameras[one.camera], one.time)
        for one, number, identity in zip(records, numbers, identities, strict=True)
    )
    vectors.insert(connection, model, rows, embeddings[new])
    for place, number in zip(new, numbers, strict=True):
        ids[place] = number
    return ids, set(identities)


def delete_sightings(connection: Connection, sightings: Sequence[int]) -> int:
    """Deletes sightings, their vectors of all models, and images that nothing else uses; how many there were.

    An identity that loses its last sighting stays.

    Args:
        connection: within a transaction.
        sightings: their numbers.
    """
    if not sightings:
        return 0
    gone = connection.execute(
        "DELETE FROM sightings WHERE id = ANY(%s) RETURNING identity, image", [list(sightings)]
    ).fetchall()
    identities = list({identity for identity, _ in gone})
    for (model,) in connection.execute("SELECT id FROM models").fetchall():
        connection.execute(
            f"DELETE FROM {vectors.table(model)} WHERE identity = ANY(%s) AND sighting = ANY(%s)",  # type: ignore[arg-type]
            [identities, list(sightings)],
        )
    uses = Counter(image for _, image in gone if image is not None)
    for image in sorted(uses):  # in one order, so that two commands never wait for each other
        connection.execute("UPDATE images SET uses = uses - %s WHERE hash = %s", [uses[image], image])
    connection.execute("DELETE FROM images WHERE uses = 0 AND hash = ANY(%s)", [list(uses)])
    return len(gone)


def delete_identities(connection: Connection, identities: Sequence[int]) -> int:
    """Deletes identities with all their sightings; how many sightings there were.

    Args:
        connection: within a transaction.
        identities: their numbers.
    """
    # Locked first: a sighting that is added meanwhile either comes before or finds its identity gone.
    connection.execute(
        "SELECT 1 FROM identities WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(identities)]
    )
    rows = connection.execute(
        "SELECT id FROM sightings WHERE identity = ANY(%s)", [list(identities)]
    ).fetchall()
    count = delete_sightings(connection, [number for (number,) in rows])
    connection.execute("DELETE FROM identities WHERE id = ANY(%s)", [list(identities)])
    return count


def known_digests(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the digests that sightings have."""
    if not digests:
        return set()
    rows = connection.execute(
        "SELECT digest FROM sightings WHERE digest = ANY(%s)", [list(digests)]
    ).fetchall()
    return {bytes(digest) for (digest,) in rows}


def identities_of(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    """Those of the digests that sightings have → the numbers of their identities."""
    rows = connection.execute(
        "SELECT digest, identity FROM sightings WHERE digest = ANY(%s)", [list(digests)]
    ).fetchall()
    return {bytes(digest): identity for digest, identity in rows}


def find_identities(connection: Connection, keys: Sequence[int | str]) -> list[int]:
    """The numbers of identities that are named by number or name.

    Raises:
        UserError: there is no such identity.
    """
    names = [key for key in keys if isinstance(key, str)]
    ids = [key for key in keys if not isinstance(key, str)]
    found: dict[int | str, int] = {}
    for number, name in connection.execute(
        "SELECT id, name FROM identities WHERE id = ANY(%s) OR (md5(name) = ANY(SELECT md5(n) FROM "
        "unnest(%s::text[]) n) AND name = ANY(%s::text[]))",
        [ids, names, names],
    ).fetchall():
        found[number] = number
        if name is not None:
            found[name] = number
    for key in keys:
        if key not in found:
            what = f"number {key}" if not isinstance(key, str) else f"the name {_short(key)}"
            raise UserError(f"there is no identity with {what} in the store.")
    return [found[key] for key in keys]


def _identities(connection, records):
    """The number of the identity of each record; new ones are made."""
    ids = {one.identity for one in records if isinstance(one.identity, int)}
    if ids:
        # Shared locks, so that nobody deletes them meanwhile.
        rows = connection.execute(
            "SELECT id FROM identities WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [sorted(ids)]
        ).fetchall()
        if missing := ids - {number for (number,) in rows}:
            raise UserError(f"there is no identity with number {min(missing)} in the store.")
    names = _names(
        connection, "identities", {one.identity for one in records if isinstance(one.identity, str)}
    )
    shared = dict.fromkeys(one.identity for one in records if isinstance(one.identity, NewIdentity))
    nameless = len(shared) + sum(one.identity is None for one in records)
    made = iter(
        connection.execute(
            "INSERT INTO identities (name) SELECT NULL FROM generate_series(1, %s) RETURNING id", [nameless]
        ).fetchall()
        if nameless
        else ()
    )
    new = {one: next(made)[0] for one in shared}
    result = []
    for one in records:
        if one.identity is None:
            result.append(next(made)[0])
        elif isinstance(one.identity, NewIdentity):
            result.append(new[one.identity])
        else:
            result.append(names[one.identity] if isinstance(one.identity, str) else one.identity)
    return result


def _names(connection, table, names):
    """Name → number, of identities or cameras; new ones are made."""
    names, found = sorted(names), {}
    if not names:
        return found
    connection.execute(
        f"INSERT INTO {table} (name) SELECT n FROM unnest(%s::text[]) n WHERE NOT EXISTS "
        f"(SELECT 1 FROM {table} t WHERE md5(t.name) = md5(n)) ORDER BY n ON CONFLICT DO NOTHING",
        [names],
    )
    for number, name in connection.execute(
        f"SELECT id, name FROM {table} WHERE md5(name) = ANY(SELECT md5(n) FROM unnest(%s::text[]) n) "
        "ORDER BY id FOR KEY SHARE",
        [names],
    ).fetchall():
        found[name] = number
    if len(found) < len(names):
        from psycopg import errors

        raise errors.SerializationFailure("a name was erased meanwhile")  # the transaction is repeated
    return found


def _keep_images(connection, records):
    images = {one.image.hash: one.image for one in records if one.image is not None}
    uses = Counter(one.image.hash for one in records if one.image is not None)
    for key in sorted(images):
        connection.execute(
            "INSERT INTO images (hash, bytes, kind, uses) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (hash) DO UPDATE SET uses = images.uses + excluded.uses",
            [key, images[key].content, images[key].kind, uses[key]],
        )


def _numbers(connection, table, count):
    rows = connection.execute(
        "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
    ).fetchall()
    return [number for (number,) in rows]


def _zone(time):
    """`"+02:00"`."""
    minutes, sign = round(time.utcoffset() / datetime.timedelta(minutes=1)), "+"
    if minutes < 0:
        minutes, sign = -minutes, "-"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


def _short(name):
    return repr(name if len(name) <= 80 else f"{name[:77]}...")
