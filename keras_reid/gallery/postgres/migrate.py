"""Brings the schema of a store up to date."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, LiteralString, cast

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = "gallery"
_LOCK = 0x6B72_6764  # an advisory lock of ours: one migration at a time
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


def steps() -> dict[int, tuple[str, str]]:
    """The numbered steps of this version: number → name, SQL."""
    found = {}
    for file in resources.files("keras_reid.gallery.postgres.migrations").iterdir():
        if match := _FILE.fullmatch(file.name):
            found[int(match[1])] = match[2], file.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


def migrate(connection: Connection, store: str, create: bool = True) -> None:
    """Applies the steps that a store lacks, in one transaction.

    Args:
        connection: to the database, outside a transaction.
        store: the store as the user named it, for messages.
        create: whether to make the schema in an empty database.

    Raises:
        UserError: a newer keras_reid made the store, it lacks pgvector, or there is no store and `create` is False.
    """
    known = steps()
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        table = f"{SCHEMA}.migrations"
        if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
            if not create:
                raise UserError(f"{store}: there is no store. `keras-reid gallery enrol` makes one.")
            _begin(connection, store)
        applied = dict(connection.execute(f"SELECT number, name FROM {table}").fetchall())  # type: ignore[arg-type]
        if applied and max(applied) > max(known):
            raise UserError(
                f"{store}: a newer keras_reid made this store (step {max(applied)}, {applied[max(applied)]}; this one "
                f"knows {max(known)}). Update keras_reid."
            )
        for number, (name, statements) in known.items():
            if number not in applied:
                set_path(connection)
                connection.execute(cast(LiteralString, statements))
                connection.execute(
                    f"INSERT INTO {table} (number, name) VALUES (%s, %s)",  # type: ignore[arg-type]
                    [number, name],
                )


def set_path(connection: Connection) -> None:
    """Lets unqualified names mean those of the store and of pgvector, wherever an administrator has put it."""
    connection.execute(
        "SELECT set_config('search_path', %s || coalesce((SELECT ', ' || quote_ident(nspname) FROM pg_extension "
        "JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'), ''), false)",
        [SCHEMA],
    )


def _begin(connection, store):
    from psycopg import errors

    try:
        with connection.transaction():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except (errors.FeatureNotSupported, errors.UndefinedFile):
        raise UserError(
            f"{store}: the server lacks the extension pgvector. Install it there (0.8 or newer), or name a folder with "
            "--store."
        ) from None
    except errors.InsufficientPrivilege as error:
        raise UserError(
            f"{store}: the database does not let this user make a store ({error.diag.message_primary}). Let an "
            "administrator run `CREATE EXTENSION vector` in it, and give the user CREATE on the database."
        ) from None
    version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    if tuple(map(int, version[0].split(".")[:2])) < (0, 8):
        raise UserError(
            f"{store}: the server has pgvector {version[0]}; a store needs 0.8 or newer. Update it."
        )
    connection.execute(
        f"CREATE TABLE {SCHEMA}.migrations (number integer PRIMARY KEY, name text NOT NULL, "
        "applied timestamptz NOT NULL DEFAULT now())"
    )
