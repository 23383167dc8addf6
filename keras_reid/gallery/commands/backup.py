"""`keras-reid gallery backup FILE`: everything in a private store, in one file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line


@dataclasses.dataclass(frozen=True)
class Backup:
    """Write everything in a private store into one file, while others go on working.

    The key that signs receipts lies beside the store and is not in the backup: keep a copy of it. Who is erased later
    stays in the backup: remove old backups, or name the receipts to `restore`.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """a new file, which only you can read"""
    store: str = "gallery-store"
    """folder of the store"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Backup, arguments, prog="keras-reid gallery backup")
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.backup import backup
    from keras_reid.gallery.postgres.store import PostgresStore

    check_store(options.store, create=False)
    with PostgresStore(options.store, create=False) as store:
        size = backup(store, options.file)
    print(f"{options.file}: {size / 1e6:.1f} MB")
