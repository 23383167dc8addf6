"""Changes of identities that can be undone: names, merging, splitting."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_reid.gallery.postgres import audit, vectors
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

_COLUMNS = "id, at, by, action, identities, names, sightings, before, undone"


class Row(NamedTuple):
    """A row of the table `changes`."""

    id: int
    at: datetime.datetime
    by: str
    action: str
    identities: list[int]
    names: list[str | None]
    sightings: list[int]
    before: list[dict[str, Any]]
    undone: datetime.datetime | None


class Conflict(UserError):
    """Something that is there now stands in the way of a change."""


def rename(connection: Connection, identity: int, name: str | None, by: str) -> Row:
    """Gives an identity another name.

    Args:
        connection: within a transaction.
        identity: its number.
        name: the new one; None: none.
        by: who does it.

    Raises:
        Conflict: another identity has the name, or this one has it already.
    """
    ((_, subject, old, _),) = _locked(connection, [identity])
    if old == name:
        raise Conflict(f"the identity {identity} has this name already")
    _check_free(connection, name)
    connection.execute("UPDATE identities SET name = %s WHERE id = %s", [name, identity])
    audit.append(connection, "rename", [subject], {})
    return _keep(connection, by, "rename", [identity], [old, name], [], [])


def merge(connection: Connection, into: int, others: Sequence[int], by: str) -> Row:
    """Moves all sightings of identities to one, and deletes the identities that are empty then.

    Args:
        connection: within a transaction.
        into: the identity that stays.
        others: those that go.
        by: who does it.

    Raises:
        Conflict: an identity is gone meanwhile.
    """
    found = {row[0]: row for row in _locked(connection, [into, *others])}
    seen: dict[int, list[int]] = {number: [] for number in others}
    for sighting, identity in connection.execute(
        "SELECT id, identity FROM sightings WHERE identity = ANY(%s) ORDER BY id FOR UPDATE", [list(others)]
    ).fetchall():
        seen[identity].append(sighting)
    events: dict[int, list[int]] = {number: [] for number in others}
    for event, identity in connection.execute(
        "SELECT id, identity FROM events WHERE identity = ANY(%s) ORDER BY id", [list(others)]
    ).fetchall():
        events[identity].append(event)
    watches = _watches(connection, [into, *others])
    before = [
        {
            "id": number,
            "subject": found[number][1],
            "created": found[number][3].isoformat(),
            "sightings": seen[number],
            "events": events[number],
            "watch": watches.get(number),
            "watch_of_stayed": watches.get(into),
        }
        for number in others
    ]
    moved = [sighting for number in others for sighting in seen[number]]
    _move(connection, moved, into)
    _hand_on(connection, [watches[number] for number in watches if number != into], into)
    connection.execute("UPDATE events SET identity = %s WHERE identity = ANY(%s)", [into, list(others)])
    connection.execute("DELETE FROM identities WHERE id = ANY(%s)", [list(others)])
    numbers = [into, *others]
    audit.append(
        connection, "merge", [found[number][1] for number in numbers], {"sightings": len(moved), "into": 1}
    )
    return _keep(connection, by, "merge", numbers, [found[number][2] for number in numbers], moved, before)


def split(connection: Connection, sightings: Sequence[int], name: str | None, by: str) -> Row:
    """Moves sightings of one identity to a new one.

    Args:
        connection: within a transaction.
        sightings: their numbers.
        name: of the new identity, or None.
        by: who does it.

    Raises:
        Conflict: they are not of one identity, or all that it has; or another identity has the name.
    """
    owners = connection.execute(
        "SELECT DISTINCT identity FROM sightings WHERE id = ANY(%s)", [list(sightings)]
    ).fetchall()
    if len(owners) != 1:
        raise Conflict(f"sightings to split off must be of one identity. Received: of {len(owners)}")
    old = owners[0][0]
    ((_, subject, old_name, _),) = _locked(connection, [old])
    all_of_it = {
        number
        for (number,) in connection.execute(
            "SELECT id FROM sightings WHERE identity = %s ORDER BY id FOR UPDATE", [old]
        ).fetchall()
    }
    if missing := set(sightings) - all_of_it:
        raise Conflict(f"the sighting {min(missing)} is not of the identity {old} any more")
    if all_of_it == set(sightings):
        raise Conflict(f"at least one sighting must stay with the identity {old}. Received: all of them")
    _check_free(connection, name)
    new, new_subject = connection.execute(
        "INSERT INTO identities (name) VALUES (%s) RETURNING id, subject::text", [name]
    ).fetchone() or (0, "")
    moved = sorted(set(sightings))
    _move(connection, moved, new)
    audit.append(connection, "split", [subject, new_subject], {"sightings": len(moved)})
    before = [{"id": new, "subject": new_subject}]
    return _keep(connection, by, "split", [new, old], [name, old_name], moved, before)


def undo(connection: Connection, change: int) -> Row:
    """Undoes a change.

    Args:
        connection: within a transaction.
        change: its number.

    Raises:
        Conflict: it is undone already, or something that was done since stands in its way.
    """
    row = get(connection, change, lock=True)
    if row.undone is not None:
        raise Conflict(f"the change {change} is undone already")
    {"rename": _undo_rename, "merge": _undo_merge, "split": _undo_split}[row.action](connection, row)
    subjects = connection.execute(
        "SELECT subject::text FROM identities WHERE id = ANY(%s) ORDER BY id", [row.identities]
    ).fetchall()
    connection.execute("UPDATE changes SET undone = now() WHERE id = %s", [change])
    audit.append(connection, "undo", [one for (one,) in subjects], {"sightings": len(row.sightings)})
    return get(connection, change)


def get(connection: Connection, change: int, lock: bool = False) -> Row:
    """A change by its number.

    Raises:
        Conflict: there is none, or its identities were erased.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM changes WHERE id = %s{' FOR UPDATE' if lock else ''}",  # type: ignore[arg-type]
        [change],
    ).fetchone()
    if row is None:
        raise Conflict(f"there is no change {change}, or those whom it concerns were erased since")
    return Row(*row)


def latest(connection: Connection, count: int, by: str | None = None) -> list[Row]:
    """The last changes, newest first; only those by one caller if `by` is given."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM changes WHERE %(by)s::text IS NULL OR by = %(by)s ORDER BY id DESC LIMIT %(count)s",  # type: ignore[arg-type]
        {"by": by, "count": count},
    ).fetchall()
    return [Row(*row) for row in found]


def everything(connection: Connection) -> list[Row]:
    """All changes, oldest first."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM changes ORDER BY id").fetchall()  # type: ignore[arg-type]
    return [Row(*row) for row in found]


def forget(connection: Connection, erased: Sequence[int]) -> list[str]:
    """Deletes the changes that concern identities which are erased.

    Args:
        connection: within a transaction.
        erased: as `with_former` gives them.

    Returns:
        the subject ids of those of them that were not there any more.
    """
    found = connection.execute(
        "DELETE FROM changes WHERE identities && %s::bigint[] RETURNING before", [list(erased)]
    ).fetchall()
    return [one["subject"] for (before,) in found for one in before if one["id"] in set(erased)]


def with_former(connection: Connection, identities: Sequence[int], sightings: Sequence[int]) -> list[int]:
    """Identities that are erased, with those that are not there any more but were part of them.

    These were merged into them, or split off and given back. Others were merged into an identity that stays, but of
    their sightings none is left, wherever these were moved since.

    Args:
        connection: within the transaction, before it erases.
        identities: that are erased.
        sightings: that are erased.
    """
    lost = connection.execute(
        "SELECT (one->>'id')::bigint FROM changes, jsonb_array_elements(before) AS one "
        "WHERE action = 'merge' AND undone IS NULL AND one->'sightings' <> '[]' AND NOT EXISTS (SELECT FROM "
        "sightings s WHERE s.id IN (SELECT jsonb_array_elements_text(one->'sightings')::bigint) "
        "AND s.id <> ALL(%s::bigint[]))",
        [list(sightings)],
    ).fetchall()
    found = connection.execute(
        "WITH RECURSIVE gone AS (SELECT unnest(%s::bigint[]) AS id UNION "
        "SELECT unnest(c.identities) FROM changes c JOIN gone ON "
        "(c.action = 'merge' AND c.undone IS NULL AND gone.id = c.identities[1]) OR "
        "(c.action = 'split' AND c.undone IS NOT NULL AND gone.id = c.identities[2])) SELECT id FROM gone ORDER BY id",
        [[*identities, *(number for (number,) in lost)]],
    ).fetchall()
    return [number for (number,) in found]


def _undo_rename(connection, row):
    old, new = row.names
    ((_, _, name, _),) = _locked(connection, row.identities)
    if name != new:
        raise Conflict("the identity was renamed again since: undo that first")
    _check_free(connection, old)
    connection.execute("UPDATE identities SET name = %s WHERE id = %s", [old, row.identities[0]])


def _undo_merge(connection, row):
    into = row.identities[0]
    _locked(connection, [into])
    _check_still_there(connection, row.sightings, into)
    _take_back(connection, into, row.before)
    for one, name in zip(row.before, row.names[1:], strict=True):
        _check_free(connection, name)
        connection.execute(
            "INSERT INTO identities (id, subject, name, created) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s)",
            [one["id"], one["subject"], name, one["created"]],
        )
        _move(connection, one["sightings"], one["id"])
        connection.execute("UPDATE events SET identity = %s WHERE id = ANY(%s)", [one["id"], one["events"]])
        if one["watch"]:
            _hand_on(connection, [one["watch"]], one["id"])


def _undo_split(connection, row):
    new, old = row.identities
    _locked(connection, [old, new])
    _check_still_there(connection, row.sightings, new)
    if connection.execute(
        "SELECT 1 FROM sightings WHERE identity = %s AND id <> ALL(%s)", [new, row.sightings]
    ).fetchone():
        raise Conflict("the new identity has got other sightings since: merge the two instead")
    _move(connection, row.sightings, old)
    _hand_on(connection, _watches(connection, [new]).values(), old)
    connection.execute("UPDATE events SET identity = %s WHERE identity = %s", [old, new])
    connection.execute("DELETE FROM identities WHERE id = %s", [new])


def _watches(connection, identities):
    """Identity → `[distance, by, since]` of its entry on the watch list, the oldest first."""
    found = connection.execute(
        "SELECT identity, distance, by, since FROM watches WHERE identity = ANY(%s) ORDER BY since, identity",
        [list(identities)],
    ).fetchall()
    return {row[0]: [row[1], row[2], row[3].isoformat()] for row in found}


def _hand_on(connection, watches, identity):
    """Who was looked out for, still is, as a part of an identity."""
    for distance, by, since in watches:
        connection.execute(
            "INSERT INTO watches (identity, distance, by, since) VALUES (%s, %s, %s, %s) ON CONFLICT (identity) "
            "DO UPDATE SET distance = greatest(watches.distance, excluded.distance)",
            [identity, distance, by, since],
        )


def _take_back(connection, into, before):
    """Takes a watch from an identity that it has by a merge alone, unless somebody has changed it since."""
    own = before[0]["watch_of_stayed"]
    came = [one["watch"] for one in before if one["watch"]]
    if not came:
        return
    distance = max(one[0] for one in (*came, *([own] if own else [])))
    if own:
        connection.execute(
            "UPDATE watches SET distance = %s WHERE identity = %s AND distance = %s", [own[0], into, distance]
        )
    else:
        connection.execute(
            "DELETE FROM watches WHERE identity = %s AND distance = %s AND since = ANY(%s::timestamptz[])",
            [into, distance, [one[2] for one in came]],
        )


def _check_still_there(connection, sightings, identity):
    """Those that are erased since do not matter; those that were moved on do."""
    moved_on = connection.execute(
        "SELECT id FROM sightings WHERE id = ANY(%s) AND identity <> %s LIMIT 1", [sightings, identity]
    ).fetchone()
    if moved_on:
        raise Conflict(f"the sighting {moved_on[0]} was moved again since: undo that first")


def _locked(connection, identities):
    """`(id, subject, name, created)` of identities, which nobody changes until the transaction ends."""
    found = connection.execute(
        "SELECT id, subject::text, name, created FROM identities WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
        [list(identities)],
    ).fetchall()
    if missing := set(identities) - {row[0] for row in found}:
        raise Conflict(f"the identity {min(missing)} is not there any more")
    return found


def _check_free(connection, name):
    row = connection.execute(
        "SELECT id FROM identities WHERE md5(name) = md5(%s) AND name = %s", [name, name]
    ).fetchone()
    if row:
        raise Conflict(f"the identity {row[0]} has this name: merge the two, or choose another name")


def _move(connection, sightings, identity):
    """Gives sightings and their embeddings of all models to an identity."""
    owners = connection.execute(
        "SELECT DISTINCT identity FROM sightings WHERE id = ANY(%s)", [list(sightings)]
    ).fetchall()
    connection.execute(
        "UPDATE sightings SET identity = %s, moved = true WHERE id = ANY(%s)", [identity, list(sightings)]
    )
    for (model,) in connection.execute("SELECT id FROM models ORDER BY id").fetchall():
        connection.execute(
            f"UPDATE {vectors.table(model)} SET identity = %s WHERE identity = ANY(%s) AND sighting = ANY(%s)",
            [identity, [one for (one,) in owners], list(sightings)],
        )


def _keep(connection, by, action, identities, names, sightings, before):
    row = connection.execute(
        "INSERT INTO changes (by, action, identities, names, sightings, before) VALUES (%s, %s, %s, %s, %s, %s::jsonb) "
        f"RETURNING {_COLUMNS}",
        [by, action, identities, names, sightings, json.dumps(before)],
    ).fetchone()
    return Row(*row)
