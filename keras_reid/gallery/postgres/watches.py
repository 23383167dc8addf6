"""The watch list and its events, which hold numbers alone: those of somebody who is erased go by cascade."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.gallery.postgres import vectors

if TYPE_CHECKING:
    from psycopg import Connection

CHANNEL = "keras_reid_gallery"  # that other processes listen on
_KEPT = datetime.timedelta(days=30)  # events
_LOCK = 0x6B72_6576  # an advisory lock of ours: events become visible in the order of their numbers


def put(connection: Connection, identity: int, distance: float, by: str) -> None:
    """Puts an identity on the list, or changes its distance."""
    connection.execute(
        "INSERT INTO watches (identity, distance, by) VALUES (%s, %s, %s) "
        "ON CONFLICT (identity) DO UPDATE SET distance = excluded.distance",
        [identity, distance, by],
    )


def remove(connection: Connection, identity: int) -> bool:
    """Takes an identity off the list; whether it was on it."""
    return connection.execute("DELETE FROM watches WHERE identity = %s", [identity]).rowcount > 0


def all_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """The list, newest first: identity, name, distance, by, since."""
    return connection.execute(
        "SELECT w.identity, i.name, w.distance, w.by, w.since FROM watches w JOIN identities i ON i.id = w.identity "
        "ORDER BY w.since DESC, w.identity"
    ).fetchall()


def raise_events(connection: Connection, model: int, sightings: Sequence[int]) -> int:
    """Raises the events of new sightings: one for each identity on the list that one is, or is near enough to.

    Time: a comparison of each new sighting with each sighting of those on the list.

    Args:
        connection: within a transaction, which others wait for from here on: call it late.
        model: number of the model.
        sightings: the new ones.

    Returns:
        how many.
    """
    if connection.execute("SELECT 1 FROM watches LIMIT 1").fetchone() is None:
        return 0
    table = vectors.table(model)
    near = connection.execute(
        f"SELECT w.identity, s.id, CASE WHEN w.identity = n.identity THEN 0 ELSE "  # type: ignore[arg-type]
        "greatest(min(1 + (n.embedding <#> v.embedding)), 0) END FROM sightings s "
        f"JOIN {table} n ON n.identity = s.identity AND n.sighting = s.id CROSS JOIN watches w "
        f"JOIN {table} v ON v.identity = w.identity WHERE s.id = ANY(%s) "
        "GROUP BY s.id, w.identity, n.identity, w.distance "
        "HAVING w.identity = n.identity OR min(1 + (n.embedding <#> v.embedding)) <= w.distance ORDER BY 2, 3, 1",
        [list(sightings)],
    ).fetchall()
    if not near:
        return 0
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    connection.execute("DELETE FROM events WHERE at < now() - %s", [_KEPT])
    connection.cursor().executemany(
        "INSERT INTO events (id, identity, sighting, distance) VALUES (nextval('events_id'), %s, %s, %s)",
        near,
    )
    connection.execute(f"NOTIFY {CHANNEL}")  # type: ignore[arg-type]
    return len(near)


_EVENTS = """
SELECT e.id, e.at, e.identity, i.name, e.sighting, c.name, s.seen, e.distance, encode(s.image, 'hex')
FROM events e JOIN identities i ON i.id = e.identity JOIN sightings s ON s.id = e.sighting
LEFT JOIN cameras c ON c.id = s.camera WHERE (%(cameras)s::text[] IS NULL OR (c.name = ANY(%(cameras)s) AND EXISTS
    (SELECT FROM sightings v JOIN cameras d ON d.id = v.camera WHERE v.identity = e.identity
    AND d.name = ANY(%(cameras)s)))) AND e.at > now() - %(kept)s
"""


def events(
    connection: Connection, after: int, count: int, cameras: list[str] | None = None
) -> list[tuple[Any, ...]]:
    """Events, oldest first: number, time, identity, its name, sighting, camera, time, distance, picture.

    Args:
        connection: within a transaction.
        after: only those with a larger number.
        count: most to give.
        cameras: only of sightings of these, and of identities that have some of these; None: all.
    """
    return connection.execute(
        f"{_EVENTS} AND e.id > %(after)s ORDER BY e.id LIMIT %(count)s",
        {"after": after, "count": count, "cameras": cameras, "kept": _KEPT},
    ).fetchall()


def latest_events(
    connection: Connection, count: int, cameras: list[str] | None = None
) -> list[tuple[Any, ...]]:
    """The last events, newest first; otherwise as `events`."""
    return connection.execute(
        f"{_EVENTS} ORDER BY e.id DESC LIMIT %(count)s",
        {"count": count, "cameras": cameras, "kept": _KEPT},
    ).fetchall()


def last_event(connection: Connection) -> int:
    """The number of the last event; 0 without any."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    return row[0] if row else 0


def register(connection: Connection, target: bytes) -> None:
    """Notes a webhook, which gets what happens from now on. One that is known goes on where it was.

    Args:
        connection: within a transaction.
        target: a hash of its address, 32 bytes.
    """
    connection.execute(
        "INSERT INTO webhooks (target, event) SELECT %s, coalesce(max(id), 0) FROM events ON CONFLICT DO NOTHING",
        [target],
    )


def next_for(connection: Connection, target: bytes) -> tuple[Any, ...] | None:
    """The next event of a webhook, which is locked until the transaction ends.

    Args:
        connection: within a transaction.
        target: as in `register`.

    Returns:
        a row as `events` gives it; None if there is none, or another process is delivering one.
    """
    row = connection.execute(
        "SELECT event FROM webhooks WHERE target = %s FOR UPDATE SKIP LOCKED", [target]
    ).fetchone()
    found = [] if row is None else events(connection, row[0], 1)
    return found[0] if found else None


def delivered(connection: Connection, target: bytes, event: int) -> None:
    """Notes that a webhook has received an event."""
    connection.execute("UPDATE webhooks SET event = %s WHERE target = %s", [event, target])
