"""The folder of a private store: whether one is a store, or can become one."""

from __future__ import annotations

import fcntl
from pathlib import Path

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, write_json
from keras_reid.utils.plain_files import open_plain

MARKER = "gallery.json"  # that it is a store; written last
_FORMAT, _VERSION = "keras_reid gallery", 1  # of the folder's layout


def mark(folder: Path) -> None:
    """Says that a folder is a store now, whole."""
    write_json(folder / MARKER, {"format": _FORMAT, "version": _VERSION})


def check_folder(folder: Path, create: bool = True) -> None:
    """Checks that a folder is a store, or can become one.

    Raises:
        UserError: it is foreign, half made, of a newer version, or missing.
    """
    if folder.is_symlink() and not folder.exists():
        raise UserError(f"{folder}: is a link to nowhere. Remove it, or name another folder with --store.")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a store is a folder. Received: a file. Name another one with --store.")
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except PermissionError:
        raise UserError(
            f"{folder}: you cannot read it. A store is open to the user who made it: run the command as that user."
        ) from None
    if MARKER in names:
        about = read_json(folder / MARKER)
        if not isinstance(about, dict) or about.get("format") != _FORMAT:
            raise UserError(
                f"{folder}: its {MARKER} is not that of a store. Name another folder with --store."
            )
        version = about.get("version")
        if not isinstance(version, int) or version > _VERSION:
            raise UserError(
                f"{folder}: the store's folder has layout {version}, made by a newer keras_reid; this one knows "
                f"{_VERSION}. Update keras_reid."
            )
        if "data" not in names:
            raise UserError(f"{folder}: the store's folder `data` is missing. Restore a backup.")
        return
    foreign = sorted(names - {"lock", "users", "data", "socket", "log"})
    if foreign:
        raise UserError(
            f"{folder}: is not a store: it holds {foreign[0]!r}, but no {MARKER}. Name a new or an empty folder."
        )
    if "data" in names and not _being_made(folder):
        raise UserError(
            f"{folder}: the store is half made: its making was cut off before anything was kept. Remove the folder "
            "and repeat the command."
        )
    if not create and "data" not in names:
        raise UserError(f"{folder}: there is no store. `keras-reid gallery enrol` makes one.")
    if not folder.exists() and not folder.parent.is_dir():
        raise UserError(f"{folder}: the folder {folder.parent} does not exist. Create it first.")


def _being_made(folder):
    """Whether another command is making the store at this moment."""
    try:
        with open_plain(folder / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except OSError:
        pass
    return (folder / MARKER).exists()
