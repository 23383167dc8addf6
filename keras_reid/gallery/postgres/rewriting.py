"""Takes deleted rows out of the files of a private store: tables, indexes, write-ahead logs, orphaned files.

PostgreSQL only marks a deleted row; its bytes stay in the pages until they are overwritten by chance. `VACUUM FULL`
writes the living rows into a new file instead, builds the indexes anew, and removes the old files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_reid.gallery.postgres import vectors
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

TABLES = ("sightings", "identities", "images", "changes")
_LOCK_SECONDS = (
    1  # a search that waits behind us waits for the search before us too: not for longer than this
)
_PATIENCE = 60.0  # seconds for other transactions
_POLL = 0.1
_FILE = re.compile(r"(\d+)(?:_fsm|_vm|_init)?(?:\.\d+)?")
_PARTITION = re.compile(r"vectors_(\d+)_p(\d+)")


def rewrite(connection: Connection, partitions: Sequence[str], deleted_by: int, store: str) -> None:
    """Rewrites what held deleted rows. Searches wait for one table at a time, for as long as it takes to copy it.

    The approximate index of a partition is dropped before and built anew afterwards; in between, the partition is
    searched exactly.

    Args:
        connection: one that commits each statement by itself (`Database.apart`), as a superuser.
        partitions: of vectors, that held some of the rows.
        deleted_by: number of the transaction that deleted them.
        store: name of the store, for messages.

    Raises:
        UserError: other transactions stay open for so long that the rows cannot be removed.
    """
    _wait_for_others(connection, deleted_by, store)
    connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
    for partition in partitions:
        model, number = _numbers(partition)
        _patiently(connection, f"DROP INDEX IF EXISTS {vectors.index_name(model, number)}", store)
        _patiently(connection, f"VACUUM (FULL) {partition}", store)
    for table in TABLES:
        _patiently(connection, f"VACUUM (FULL, ANALYZE) {table}", store)
    # The planner's samples of values; those of before are dead rows now.
    _patiently(connection, "VACUUM (FULL) pg_statistic", store)
    connection.execute("RESET lock_timeout")
    rebuild_indexes(connection)


def rebuild_indexes(connection: Connection) -> None:
    """Builds the approximate indexes that are missing or were left unfinished, of the models that have some.

    Args:
        connection: as in `rewrite`.
    """
    for model, dimension in connection.execute(
        "SELECT id, dimension FROM models WHERE recall IS NOT NULL ORDER BY id"
    ).fetchall():
        for number in range(vectors.PARTITIONS):
            row = connection.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
                [vectors.index_name(model, number)],
            ).fetchone()
            if row is None or not row[0]:
                vectors.build_index(connection, model, number, dimension)


def drop_logs(connection: Connection) -> None:
    """Makes the server remove the write-ahead logs so far, and the files of dropped tables.

    Twice: the first checkpoint keeps what it needs itself.
    """
    for _ in range(2):
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


def remove_orphans(connection: Connection, data: Path) -> list[Path]:
    """Removes files that no table owns: a kill in the middle of a rewriting leaves them, with the rows of their time.

    A file counts as an orphan only if no transaction was writing after it was seen, and no table has it since.

    Args:
        connection: as in `rewrite`, outside a transaction.
        data: PostgreSQL's data folder.

    Returns:
        the files removed; none where others do not stop writing.
    """
    (database,) = connection.execute(
        "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"
    ).fetchone() or (0,)
    files = [path for path in (data / "base" / str(database)).iterdir() if _FILE.fullmatch(path.name)]
    end = time.monotonic() + _PATIENCE
    while connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
    ).fetchone():
        if time.monotonic() > end:
            return []
        time.sleep(_POLL)
    owned = {
        str(number)
        for (number,) in connection.execute(
            "SELECT pg_relation_filenode(oid)::bigint FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL"
        ).fetchall()
    }
    orphans = [path for path in files if path.name.partition(".")[0].partition("_")[0] not in owned]
    removed = [path for path in orphans if path.exists()]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _wait_for_others(connection, deleted_by, store):
    """Until no snapshot sees the deleted rows any more: otherwise they would be copied."""
    end = time.monotonic() + _PATIENCE
    while connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() "
        "AND age(backend_xmin) >= age(%s::text::xid)",
        [str(deleted_by % 2**32)],
    ).fetchone():
        if time.monotonic() > end:
            raise UserError(
                f"{store}: another transaction has been open for so long that it may still read erased rows. They are "
                "gone for everybody else. End it; the next command that opens the store finishes the erasure"
            )
        time.sleep(_POLL)


def _patiently(connection, statement, store):
    """Executes a statement that needs a table for itself; gives way to those that use it, and tries again."""
    from psycopg import errors

    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute(statement)
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > end:
                raise UserError(
                    f"{store}: a table is in use without a pause, so its erased rows cannot be taken out of its file. "
                    "They are gone for everybody. The next command that opens the store finishes the erasure"
                ) from None
            time.sleep(_POLL)


def _numbers(partition):
    match = _PARTITION.fullmatch(partition)
    if match is None:
        raise ValueError(f"{partition!r} is not a partition of vectors")
    return int(match[1]), int(match[2])
