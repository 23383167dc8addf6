"""Tokens and sessions of the service, as the store keeps them: hashed."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

_TOKEN = re.compile(r"krt_([0-9]{1,9})_([A-Za-z0-9_-]{43})")
_VALID = "t.revoked IS NULL AND (t.expires IS NULL OR t.expires > now())"
_NOBODY = bytes(32)


class Row(NamedTuple):
    """A token without its secret."""

    id: int
    name: str
    role: str
    cameras: list[str] | None
    created: datetime.datetime
    expires: datetime.datetime | None
    revoked: datetime.datetime | None


_COLUMNS = "t.id, t.name, t.role, t.cameras, t.created, t.expires, t.revoked"


def add(
    connection: Connection,
    name: str,
    role: str,
    cameras: Sequence[str] | None = None,
    expires: datetime.datetime | None = None,
) -> str:
    """Makes a token of 256 random bits. The store keeps only its SHA-256.

    Args:
        connection: within a transaction.
        name: for people; each is given once.
        role: see `service.callers`.
        cameras: that it is limited to; None: all.
        expires: when it ceases to be valid, or None.

    Returns:
        the token, which cannot be read again.

    Raises:
        UserError: the name is taken.
    """
    if connection.execute("SELECT 1 FROM tokens WHERE name = %s", [name]).fetchone():
        raise UserError(
            f"there is a token with the name {name!r}: names are given once, also of revoked ones"
        )
    secret = secrets.token_urlsafe(32)
    row = connection.execute(
        "INSERT INTO tokens (name, hash, role, cameras, expires) VALUES (%s, %s, %s, %s, %s) RETURNING id",
        [name, _hash(secret), role, None if cameras is None else list(cameras), expires],
    ).fetchone()
    assert row is not None
    return f"krt_{row[0]}_{secret}"


def find(connection: Connection, token: str) -> Row | None:
    """The token that a request carries; None if there is no such token, or it is revoked or expired.

    The hashes are compared in constant time, also where there is no token with that number.
    """
    match = _TOKEN.fullmatch(token)
    number, secret = (int(match[1]), match[2]) if match else (0, token)
    row = connection.execute(
        f"SELECT t.hash, {_COLUMNS} FROM tokens t WHERE t.id = %s AND {_VALID}",  # type: ignore[arg-type]
        [number],
    ).fetchone()
    right = hmac.compare_digest(bytes(row[0]) if row else _NOBODY, _hash(secret))
    return Row(*row[1:]) if row and right else None


def all_rows(connection: Connection) -> list[Row]:
    """All tokens, also revoked and expired ones."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM tokens t ORDER BY t.id").fetchall()  # type: ignore[arg-type]
    return [Row(*row) for row in found]


def revoke(connection: Connection, name: str) -> None:
    """Makes a token invalid, with its sessions.

    Raises:
        UserError: there is none with this name, or it is revoked already.
    """
    row = connection.execute(
        "UPDATE tokens SET revoked = now() WHERE name = %s AND revoked IS NULL RETURNING id", [name]
    ).fetchone()
    if row is None:
        raise UserError(
            f"there is no valid token with the name {name!r}; `keras-reid gallery token list` lists them"
        )
    connection.execute("DELETE FROM sessions WHERE token = %s", [row[0]])


def open_session(connection: Connection, token: int, lasts: datetime.timedelta) -> str:
    """Begins a session of a token; its secret, of 256 random bits, for a cookie."""
    connection.execute("DELETE FROM sessions WHERE expires < now()")
    secret = secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO sessions (hash, token, expires) VALUES (%s, %s, now() + %s)",
        [_hash(secret), token, lasts],
    )
    return secret


def find_session(connection: Connection, secret: str) -> Row | None:
    """The token whose session a cookie names; None if it is over, or the token is revoked or expired."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions s JOIN tokens t ON t.id = s.token "  # type: ignore[arg-type]
        f"WHERE s.hash = %s AND s.expires > now() AND {_VALID}",
        [_hash(secret)],
    ).fetchone()
    return Row(*row) if row else None


def close_session(connection: Connection, secret: str) -> None:
    """Ends a session."""
    connection.execute("DELETE FROM sessions WHERE hash = %s", [_hash(secret)])


def _hash(secret):
    # No salt and no slow hash: nobody guesses 256 random bits.
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
