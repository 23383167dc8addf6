"""Erases identities so that nothing of them stays in the files of a private store, and proves it.

    delete     one transaction: rows, audit, and a note that an erasure is pending. From here on it is final
    rewrite    the tables' files without the deleted rows; write-ahead logs and orphaned files are removed
    scan       every file of the store, for 64-byte runs of what was erased
    receipt    signed; audit; the note goes

A kill may come at any moment: the next command that opens the store continues after the deletion. On a foreign server
the rows are deleted, and the receipt says what remains.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.gallery.byte_scan import RUN, SHORTEST, Scanned, Trace, files_below, find_traces
from keras_reid.gallery.postgres import audit, changes, rows, vectors
from keras_reid.gallery.postgres.needles import (
    FOLDER,
    TEXT,
    needle_file,
    read_needles,
    remove_needles,
    write_needles,
)
from keras_reid.gallery.postgres.rewriting import drop_logs, remove_orphans, rewrite
from keras_reid.gallery.receipts import key_files, signed, signing_key
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json

if TYPE_CHECKING:
    from psycopg import Connection

    from keras_reid.gallery.postgres.store import PostgresStore

RECEIPTS = "receipts"  # a folder in the store: a receipt of each erasure
_LOCK = 0x6B72_6572  # an advisory lock of ours: one erasure at a time
_TRIES = 3
_OF_FILES = (
    "Blocks that the file system has freed, copies and backups made earlier, and memory are out of reach of this scan; "
    f"texts of fewer than {SHORTEST} bytes are not looked for."
)
_OF_ROWS = (
    "Rows were deleted from a database server that is not this store's own. Its write-ahead logs, replicas, backups "
    "and the freed space in its files follow the retention of that server."
)


@dataclasses.dataclass(frozen=True)
class Pending:
    """An erasure whose rows are deleted.

    Args:
        id: random.
        begun: when.
        action: "forget" or "expire".
        subjects: of the identities that are gone.
        counts: how many identities, sightings, vectors and images.
        deleted_by: number of the deleting transaction.
        partitions: of vectors, that held some of the rows.
    """

    id: str
    begun: datetime.datetime
    action: str
    subjects: tuple[str, ...]
    counts: dict[str, int]
    deleted_by: int
    partitions: tuple[str, ...]


def forget(
    store: PostgresStore,
    identities: Sequence[int | str],
    key: Path | None = None,
    check: Callable[[Connection, list[int]], None] | None = None,
) -> dict[str, Any]:
    """Erases identities with everything that the store holds of them. It cannot be undone.

    Time: rewriting the partitions of vectors that hold some, and the tables of sightings, identities and images;
    reading every file of the store, at about 0.5 GB/s. Searches wait for one table at a time.

    Args:
        store: the store.
        identities: their numbers or names.
        key: file of the key that signs receipts; by default it lies beside the store. On a server: its path.
        check: gets a connection within the erasing transaction and the numbers of the identities, which nobody changes
            any more; what it raises stops the erasure.

    Returns:
        the signed receipt: subject ids, counts, times, what was scanned and what is out of reach.

    Raises:
        UserError: there is no such identity, or somebody merges or erases it meanwhile: then nothing is erased. Or a
            trace remains: then no receipt is issued and the next command that opens the store tries again.

    Example:
        >>> forget(store, ["Anna"])["counts"]["sightings"]  # doctest: +SKIP
        12
    """

    def choose(connection):
        numbers = list(dict.fromkeys(rows.find_identities(connection, identities)))
        # Locked first: a sighting that is added meanwhile either comes before or finds its identity gone.
        there = _all(
            connection, "SELECT id FROM identities WHERE id = ANY(%s) ORDER BY id FOR UPDATE", numbers
        )
        if missing := set(numbers) - set(there):
            raise changes.Conflict(
                f"the identity {min(missing)} is not there any more: somebody has merged or erased it. Nothing was "
                "erased; look again"
            )
        if check is not None:
            check(connection, numbers)
        found = connection.execute("SELECT id FROM sightings WHERE identity = ANY(%s)", [numbers]).fetchall()
        sightings = [number for (number,) in found]
        return numbers, sightings, sightings

    receipt = erase(store, "forget", choose, key)
    assert receipt is not None
    return receipt


def erase(
    store: PostgresStore,
    action: str,
    choose: Callable[[Connection], tuple[list[int], list[int], list[int]]],
    key: Path | None = None,
) -> dict[str, Any] | None:
    """Deletes what `choose` names, and takes it out of the files.

    Args:
        store: the store.
        action: "forget" or "expire".
        choose: gets a connection within the deleting transaction; returns the numbers of identities, those of
            sightings, and those of the sightings whose traces are looked for.
        key: as in `forget`.

    Returns:
        the receipt; None if `choose` names nothing.
    """
    private, public = key_of(store, key)
    signing_key(private, public)  # a damaged key must not show after the deletion
    with store.database.apart() as connection, _in_words(store):
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        pending = _delete(store, action, choose)
        if pending is None:
            return None
        return _finish(store, connection, pending, private, public)


def finish_pending(store: PostgresStore, key: Path | None = None) -> list[dict[str, Any]]:
    """Finishes the erasures that a kill has cut off; called whenever a store is opened.

    Args:
        store: the store.
        key: as in `forget`.

    Returns:
        their receipts, which also lie in the folder `receipts` of a private store. Empty if there is nothing to do,
        another command is at it, or the store is on a server and no key is named.
    """
    if store.folder is None and key is None:
        return []
    pending_here = store.database.run(lambda one: one.execute("SELECT 1 FROM pending_erasures").fetchone())
    if not pending_here and not (store.folder is not None and (store.folder / FOLDER).exists()):
        return []
    receipts = []
    with store.database.apart() as connection, _in_words(store):
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if not row or not row[0]:
            return []
        for pending in _all_pending(connection):
            private, public = key_of(store, key)
            print(f"{store.name}: finishing the erasure {pending.id}, which was cut off", file=sys.stderr)
            receipts.append(_finish(store, connection, pending, private, public))
        if store.folder is not None:
            _remove_foreign_needles(store.folder)
    return receipts


def key_of(store: PostgresStore, key: Path | None = None) -> tuple[Path, Path]:
    """The files of a store's private and public key.

    Raises:
        UserError: the store is on a server, and no key is named.
    """
    if key is not None:
        return key, key.with_name(f"{key.name.removesuffix('.pem')}.pub.pem")
    if store.folder is None:
        raise UserError(
            f"{store.name}: a store on a server has no place for the key that signs receipts: name a file with --key, "
            "which is made if it is missing"
        )
    return key_files(store.folder)


@contextlib.contextmanager
def _in_words(store):
    """A lost connection in the middle of it, as one line."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        words = " ".join(str(error).split())[:300]
        raise UserError(
            f"{store.name}: the database broke off: {words}. An erasure that had begun is finished by the next command "
            "that opens the store"
        ) from None


def _delete(store, action, choose):
    erasure = str(uuid.uuid4())

    def work(connection):
        identities, sightings, looked_for = choose(connection)
        if not identities and not sightings:
            return None
        erased = changes.with_former(connection, identities, sightings)
        if store.folder is not None:
            write_needles(connection, needle_file(store.folder, erasure), looked_for, erased)
        partitions, vector_count = _vectors(connection, sightings)
        subjects = _all(
            connection, "SELECT subject::text FROM identities WHERE id = ANY(%s) ORDER BY 1", identities
        )
        (images,) = connection.execute(
            "SELECT count(*) FROM images i JOIN (SELECT image, count(*) AS uses FROM sightings WHERE id = ANY(%s) "
            "GROUP BY image) s ON s.image = i.hash WHERE i.uses <= s.uses",
            [sightings],
        ).fetchone()
        rows.delete_sightings(connection, sightings)
        # Who was a part of them had a subject id of their own, which old backups know.
        subjects = sorted({*subjects, *changes.forget(connection, erased)})
        connection.execute("DELETE FROM identities WHERE id = ANY(%s)", [identities])
        counts = {
            "identities": len(identities),
            "sightings": len(sightings),
            "vectors": vector_count,
            "images": images,
        }
        if len(looked_for) < len(sightings):
            counts["sightings_looked_for"] = len(looked_for)
        connection.execute(
            "INSERT INTO pending_erasures (id, action, subjects, counts, deleted_by, partitions) "
            "VALUES (%s, %s, %s::uuid[], %s::jsonb, pg_current_xact_id(), %s)",
            [erasure, action, subjects, json.dumps(counts), partitions],
        )
        audit.append(connection, action, subjects, {"erasure": erasure, **counts})
        return next(one for one in _all_pending(connection) if one.id == erasure)

    def was_done(connection):
        return any(one.id == erasure for one in _all_pending(connection))

    return store.database.run(work, was_done)


def _finish(store, connection, pending, private, public):
    scan = None
    if store.folder is not None:
        scan = _remove_traces(store, connection, pending)
    facts = {
        "store": store.id(),
        "erasure": pending.id,
        "action": pending.action,
        "subjects": list(pending.subjects),
        "counts": pending.counts,
        "begun": pending.begun.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "scan": scan,
        "limits": _OF_ROWS if scan is None else _OF_FILES,
    }

    def work(transaction):
        # Whoever else has finished it meanwhile was first.
        if not transaction.execute(
            "DELETE FROM pending_erasures WHERE id = %s RETURNING 1", [pending.id]
        ).fetchone():
            raise UserError(f"{store.name}: another command has finished the erasure {pending.id}")
        entry = audit.append(transaction, "erased", pending.subjects, {"erasure": pending.id, "scan": scan})
        receipt = signed({**facts, "audit": entry.hash.hex()}, signing_key(private, public))
        if store.folder is not None:
            # Before the commit: the next command that opens the store would write it again, never lose it.
            (store.folder / RECEIPTS).mkdir(mode=0o700, exist_ok=True)
            write_json(store.folder / RECEIPTS / f"{pending.id}.json", receipt)
        return receipt

    receipt = store.database.run(work)
    if store.folder is not None:
        remove_needles(needle_file(store.folder, pending.id))
        with contextlib.suppress(OSError):  # another erasure may wait
            (store.folder / FOLDER).rmdir()
    return receipt


def _remove_traces(store, connection, pending):
    """Rewrites and scans; what was scanned, for the receipt."""
    path = needle_file(store.folder, pending.id)
    for _ in range(_TRIES):
        rewrite(connection, pending.partitions, pending.deleted_by, store.name)
        drop_logs(connection)
        remove_orphans(connection, store.folder / "data")
        scanned, sizes = Scanned(), [len(needle) for _, needle in read_needles(path)]
        trace = next(_traces(connection, store.folder, path, scanned), None)
        if trace is None:
            return {
                "files": scanned.files,
                "bytes": scanned.bytes,
                "looked_for": {"pieces": len(sizes), "bytes": sum(sizes)},
                "run": RUN,
                "traces": 0,
            }
    file = trace.file.relative_to(store.folder)
    raise UserError(
        f"{store.name}: the rows are deleted, but {file} still holds bytes of theirs at {trace.position}: no receipt "
        "is issued. The next command that opens the store tries again. If it stays, somebody has put a copy there: "
        "remove it"
    )


def _traces(connection, folder, path, scanned) -> Iterator[Trace]:
    """Traces that no living row explains."""
    texts = [needle for kind, needle in read_needles(path) if kind == TEXT]
    living = _living_texts(connection, texts)
    needles = (needle for kind, needle in read_needles(path) if kind != TEXT or needle not in living)
    files = [file for file in files_below(folder) if FOLDER not in file.relative_to(folder).parts[:1]]
    explained: dict[bytes, bool] = {}
    for trace in find_traces(files, needles, scanned):
        if trace.run not in explained:
            explained[trace.run] = _is_explained(connection, trace, folder)
        if not explained[trace.run]:
            yield trace


def _living_texts(connection, texts):
    words = sorted({text.decode() for text in texts})
    found = connection.execute(
        "SELECT name FROM identities WHERE name = ANY(%(t)s::text[]) UNION "
        "SELECT source FROM sightings WHERE source = ANY(%(t)s::text[]) UNION "
        "SELECT note FROM sightings WHERE note = ANY(%(t)s::text[]) UNION "
        "SELECT name FROM cameras WHERE name = ANY(%(t)s::text[]) UNION "
        "SELECT name FROM tokens WHERE name = ANY(%(t)s::text[]) UNION "
        "SELECT unnest(names || by) FROM changes WHERE names || by && %(t)s::text[]",
        {"t": words},
    ).fetchall()
    return {text.encode() for (text,) in found}


def _is_explained(connection, trace, folder):
    """Whether a run of bytes also belongs to what stays: another sighting, or PostgreSQL itself."""
    run = trace.run
    if connection.execute(
        "SELECT EXISTS (SELECT FROM images WHERE position(%s::bytea IN bytes) > 0)", [run]
    ).fetchone()[0]:
        return True
    for model, dimension in connection.execute("SELECT id, dimension FROM models").fetchall():
        for size, kind in ((4, "vector"), (2, "halfvec")):
            if len(trace.needle) == size * dimension and _is_vector(
                connection, model, dimension, kind, trace.needle
            ):
                return True
    try:
        words = run.decode()
    except UnicodeDecodeError:
        return False
    if "\0" in words:
        return False
    living = (
        "SELECT EXISTS (SELECT FROM sightings WHERE position(%(w)s IN source) > 0 OR position(%(w)s IN note) > 0) "
        "OR EXISTS (SELECT FROM identities WHERE position(%(w)s IN name) > 0) "
        "OR EXISTS (SELECT FROM cameras WHERE position(%(w)s IN name) > 0) "
        "OR EXISTS (SELECT FROM models WHERE position(%(w)s IN name) > 0) "
        "OR EXISTS (SELECT FROM tokens WHERE position(%(w)s IN name) > 0) "
        "OR EXISTS (SELECT FROM changes, unnest(names || by) AS n WHERE position(%(w)s IN n) > 0) "
        "OR EXISTS (SELECT FROM answers WHERE position(%(w)s IN by) > 0) "
        "OR EXISTS (SELECT FROM watches WHERE position(%(w)s IN by) > 0) "
        "OR EXISTS (SELECT FROM pg_class WHERE position(%(w)s IN relname) > 0) "
        "OR EXISTS (SELECT FROM pg_attribute WHERE position(%(w)s IN attname) > 0)"
    )
    if connection.execute(living, {"w": words}).fetchone()[0]:
        return True
    return len(run) < RUN and _is_postgres_word(run, folder / "data")


def _is_vector(connection, model, dimension, kind, needle):
    import numpy as np

    numbers = np.frombuffer(needle, "<f4" if kind == "vector" else "<f2")
    literal = "[" + ",".join(str(number) for number in numbers) + "]"
    row = connection.execute(
        f"SELECT EXISTS (SELECT FROM {vectors.table(model)} WHERE embedding::{kind}({dimension}) = "
        f"%s::{kind}({dimension}))",
        [literal],
    ).fetchone()
    return row[0]


def _is_postgres_word(word, data):
    """Whether a short text stands in what `initdb` makes: such a name proves nothing."""
    templates = [data / "base" / "1", data / "base" / "4"]
    files = [file for place in templates if place.is_dir() for file in files_below(place)]
    files += [file for file in data.iterdir() if file.is_file()]
    return next(find_traces(files, [word]), None) is not None


def _vectors(connection, sightings):
    """The partitions that hold vectors of sightings, and how many these are."""
    partitions, count = set(), 0
    (moved,) = connection.execute(
        "SELECT EXISTS (SELECT FROM sightings WHERE id = ANY(%s) AND moved)", [sightings]
    ).fetchone()
    identities = _all(connection, "SELECT DISTINCT identity FROM sightings WHERE id = ANY(%s)", sightings)
    for (model,) in connection.execute("SELECT id FROM models ORDER BY id").fetchall():
        for partition, some in connection.execute(
            f"SELECT tableoid::regclass::text, count(*) FROM {vectors.table(model)} "
            "WHERE identity = ANY(%s) AND sighting = ANY(%s) GROUP BY 1 ORDER BY 1",
            [identities, sightings],
        ).fetchall():
            partitions.add(partition)
            count += some
        if moved:  # from a partition that nobody remembers
            partitions |= {vectors.partition(model, number) for number in range(vectors.PARTITIONS)}
    return sorted(partitions), count


def _all_pending(connection):
    found = connection.execute(
        "SELECT id::text, begun, action, subjects::text[], counts, deleted_by::text::bigint, partitions "
        "FROM pending_erasures ORDER BY begun"
    ).fetchall()
    return [Pending(*row[:3], tuple(row[3]), row[4], row[5], tuple(row[6])) for row in found]


def _all(connection, query, values):
    return [value for (value,) in connection.execute(query, [values]).fetchall()]


def _remove_foreign_needles(folder):
    """Those of erasures that were cut off before their rows were deleted."""
    place = folder / FOLDER
    if place.is_dir():
        for name in os.listdir(place):
            remove_needles(place / name)
        place.rmdir()
