"""`keras-reid gallery token`: who may use the service."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Token:
    """Make, list and revoke the tokens of a gallery's service.

    A token is 256 random bits. It is written to a file that only you can read, and nowhere else: the store keeps a hash
    of it. view searches and looks; enrol also enrols, names, merges, splits, answers and watches; erase also forgets;
    admin also reads the answers and the metrics.
    """

    action: Annotated[Literal["add", "list", "revoke"], tyro.conf.Positional]
    """what to do"""
    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """name of the token, for people; it is given once"""
    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    role: Literal["view", "enrol", "erase", "admin"] | None = None
    """what the token may do"""
    file: Path | None = None
    """a new file for the token"""
    camera: tuple[str, ...] = ()
    """only sightings of these cameras can be seen with it"""
    expires: str | None = None
    """when it ceases to be valid: a whole number of hours, days or weeks, such as 90d"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Token, arguments, prog="keras-reid gallery token")
    if options.action != "list" and not (options.name or "").strip():
        raise UserError(f"`token {options.action}` needs a NAME")
    if options.action == "add" and (options.role is None or options.file is None):
        raise UserError("`token add` needs --role and --file")
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres import tokens
    from keras_reid.gallery.postgres.expiry import parse_age
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.gallery.shown_names import shown_text

    lasts = parse_age(options.expires) if options.expires else None
    if options.action == "add" and options.file.exists():
        raise UserError(f"{options.file} exists: a token overwrites nothing. Name a new file with --file")
    check_store(options.store, create=options.action == "add")
    with PostgresStore(options.store, create=options.action == "add") as store:
        if options.action == "revoke":
            store.database.run(lambda connection: tokens.revoke(connection, options.name))
            print(f"revoked {shown_text(options.name)}")
        elif options.action == "add":
            expires = None if lasts is None else datetime.datetime.now(datetime.UTC) + lasts

            with _new_file(options.file) as file:
                cameras = options.camera or None
                token = store.database.run(
                    lambda connection: tokens.add(connection, options.name, options.role, cameras, expires)
                )
                file.write(token + "\n")
            print(f"{options.file}: the token {shown_text(options.name)} with the role {options.role}")
        else:
            rows = store.database.run(tokens.all_rows)
            for row in rows:
                print(_line(row, shown_text))
            if not rows:
                print("there are no tokens: the service listens on loopback only")


@contextlib.contextmanager
def _new_file(path):
    """A file that its owner alone can read; there is none if the block fails."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from None
    try:
        with open(number, "w", encoding="ascii") as file:
            yield file
    except BaseException:
        os.unlink(path)
        raise


def _line(row, shown):
    state = "revoked" if row.revoked else f"expires {row.expires:%Y-%m-%d %H:%M}" if row.expires else "valid"
    cameras = "all cameras" if row.cameras is None else ", ".join(map(shown, row.cameras))
    return f"{shown(row.name)}: {row.role}, {cameras}, {state}"
