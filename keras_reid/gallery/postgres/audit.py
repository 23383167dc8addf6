"""The audit of a store: what was done to it, by subject ids alone, in a chain of hashes.

    hash of a row = SHA-256(hash of the row before ‖ JSON of number, time, action, subjects and facts)

A trigger and missing rights keep rows from being changed. Whoever owns the database can overcome both; the chain then
shows it, as far as somebody has kept a later hash elsewhere: receipts hold the one at their time.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.gallery.receipts import canonical
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

_BEGINNING = bytes(32)
_LOCK = 0x6B72_6175  # an advisory lock of ours: one row after the other
_COLUMNS = "number, at, action, subjects, facts, hash"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the audit.

    Args:
        number: 1, 2, …
        at: when, with a time zone.
        action: "enrol", "forget", "erased", "expire", …
        subjects: random ids of the identities concerned.
        facts: numbers and ids.
        hash: 32 bytes, see above.
    """

    number: int
    at: datetime.datetime
    action: str
    subjects: tuple[uuid.UUID, ...]
    facts: dict[str, Any]
    hash: bytes

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**_content(self), "hash": self.hash.hex()}


def append(
    connection: Connection, action: str, subjects: Sequence[uuid.UUID | str], facts: dict[str, Any]
) -> Entry:
    """Adds a row, within the transaction of what it tells: both are kept or neither.

    Args:
        connection: within a transaction, which others wait for from here on: call it late.
        action: a word.
        subjects: of the identities concerned.
        facts: JSON values; never a name, a note, a path or an embedding.

    Returns:
        the `Entry`.

    Example:
        >>> append(connection, "forget", [identity.subject], {"sightings": 3})  # doctest: +SKIP
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    number, before = last or (0, _BEGINNING)
    at = datetime.datetime.now(datetime.UTC)
    entry = Entry(number + 1, at, action, tuple(uuid.UUID(str(one)) for one in subjects), facts, b"")
    entry = dataclasses.replace(entry, hash=_hash(before, entry))
    connection.execute(
        f"INSERT INTO audit ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s::jsonb, %s)",  # type: ignore[arg-type]
        [entry.number, at, action, list(entry.subjects), json.dumps(facts), entry.hash],
    )
    return entry


def entries(connection: Connection) -> Iterator[Entry]:
    """All rows, from the first on. Memory: 1000 rows.

    Args:
        connection: within a transaction.
    """
    with connection.cursor("audit_entries") as cursor:
        cursor.itersize = 1000
        cursor.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number")  # type: ignore[arg-type]
        for number, at, action, subjects, facts, hash in cursor:
            yield Entry(number, at, action, tuple(subjects), facts, bytes(hash))


def verified(rows: Iterable[Entry]) -> Iterator[Entry]:
    """Hands rows on, and checks the chain on the way.

    Raises:
        UserError: a row was changed, removed or inserted; the message names the first one where that shows.

    Example:
        >>> for entry in verified(entries(connection)): ...  # doctest: +SKIP
    """
    before = _BEGINNING
    for number, row in enumerate(rows, 1):
        if row.number != number:
            raise UserError(
                f"the audit is damaged: row {number} is missing. It was removed by somebody with the rights of the "
                "database's owner; compare with a backup"
            )
        if row.hash != _hash(before, row):
            raise UserError(
                f"the audit is damaged: row {number} does not fit to the one before it. It was changed by somebody "
                "with the rights of the database's owner; compare with a backup"
            )
        before = row.hash
        yield row


def _content(entry):
    return {
        "number": entry.number,
        "at": entry.at.astimezone(datetime.UTC).isoformat(timespec="microseconds"),
        "action": entry.action,
        "subjects": [str(one) for one in entry.subjects],
        "facts": entry.facts,
    }


def _hash(before, entry):
    return hashlib.sha256(before + canonical(_content(entry))).digest()
