"""Backs a store up into one file, and makes a new store of it, with PostgreSQL's own programs.

A backup holds whoever was enrolled at its time. Erasures that came later are done again when it is restored, by their
receipts; and a backup that is older than an erasure should be removed with it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_reid.gallery.postgres.erasure import forget
from keras_reid.gallery.postgres.migrate import SCHEMA, migrate
from keras_reid.gallery.postgres.private_server import PrivateServer
from keras_reid.gallery.postgres.programs import run
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.receipts import KIND
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, written_aside

_MAGIC = b"PGDMP"  # how a backup begins


def backup(store: PostgresStore, path: str | os.PathLike[str]) -> int:
    """Writes everything in a store into one file, completely or not at all. Others go on working meanwhile.

    The key that signs receipts lies beside the store and is not in it: keep a copy of it elsewhere.

    Args:
        store: a private store; a server has its own backups.
        path: a new file, which only its owner can read.

    Returns:
        its size in bytes.

    Raises:
        UserError: the file exists; the store is on a server; the program fails.

    Example:
        >>> backup(store, "gallery.backup")  # doctest: +SKIP
        52428800
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} exists: a backup overwrites nothing. Name a new file")
    if store.folder is None:
        raise UserError(f"{store.name}: a store on a server is backed up by the means of that server")
    with written_aside(path) as aside:
        os.chmod(aside, 0o600)
        run(
            "pg_dump",
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={aside}",
            f"--dbname={store.database.address}",
            name=str(path),
        )
        return os.path.getsize(aside)


def restore(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], receipts: Sequence[Path] = ()
) -> list[str]:
    """Makes a new private store of a backup, without the identities that were erased since.

    Args:
        path: what `backup` wrote.
        folder: of the store to make.
        receipts: receipt files of erasures that came after the backup, and folders of them, such as the folder
            `receipts` of the store that is replaced.

    Returns:
        the subject ids that were erased again.

    Raises:
        UserError: it is not a backup, or damaged; the folder holds a store; a file is not a receipt.
    """
    path, folder = Path(path), Path(folder)
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise UserError(f"{path} is not a backup: `keras-reid gallery backup` makes one")
    erased = _subjects(receipts)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} must be new or empty: a backup is restored into a store of its own")
    server = PrivateServer(folder)
    try:
        _fill(server, path)
    except BaseException:
        server.close()
        for place in folder.iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        raise
    server.close()
    with PostgresStore(folder, create=False) as store:
        found = store.database.run(
            lambda one: one.execute(
                "SELECT id, subject::text FROM identities WHERE subject = ANY(%s::uuid[])", [sorted(erased)]
            ).fetchall()
        )
        if found:
            forget(store, [number for number, _ in found])
    return [subject for _, subject in found]


def _fill(server, path):
    import psycopg

    run(
        "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        f"--dbname={server.address}",
        str(path),
        name=str(path),
    )
    with psycopg.connect(server.address, autocommit=True) as connection:
        migrate(connection, str(server.folder))
        connection.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {SCHEMA}.audit FROM CURRENT_USER")
        connection.execute("ANALYZE")


def _subjects(receipts):
    subjects: set[str] = set()
    for name in receipts:
        if not name.exists():
            raise UserError(f"{name}: there is no such receipt")
        for file in sorted(name.glob("*.json")) if name.is_dir() else [name]:
            receipt = read_json(file)
            if not isinstance(receipt, dict) or receipt.get("kind") != KIND:
                raise UserError(f"{file} is not a receipt of an erasure")
            subjects |= set(map(str, receipt.get("subjects", ())))
    return subjects
