"""`keras-reid gallery restore FILE --store NEW`: a store from a backup."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Restore:
    """Make a new private store of a backup, without those who were erased since it was made."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """that `backup` wrote"""
    store: str = "gallery-store"
    """folder of the new store"""
    receipt: tuple[Path, ...] = ()
    """receipts of erasures after the backup, and folders of them, such as OLD-STORE/receipts: these identities are
    erased again"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Restore, arguments, prog="keras-reid gallery restore")
    if not options.file.is_file():
        raise UserError(f"{options.file}: there is no such backup")
    if "://" in options.store:
        raise UserError("a backup is restored into a folder; a server has its own backups")
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.backup import restore

    check_store(options.store)
    erased = restore(options.file, options.store, options.receipt)
    print(f"{options.store}: restored")
    for subject in erased:
        print(f"erased again: subject {subject}")
