"""`keras-reid gallery export FOLDER`: everything that is enrolled, in a documented form."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted


@dataclasses.dataclass(frozen=True)
class Export:
    """Write everything that is enrolled into a new folder: a CSV file, the embeddings, the kept pictures.

    Other programs can read it (docs/gallery.md describes the files); `import` enrols it in another store. What is
    erased later stays in the export: remove it too.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """a new folder"""
    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Export, arguments, prog="keras-reid gallery export")
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.gallery.postgres.transfer import export

    check_store(options.store, create=False)
    with PostgresStore(options.store, create=False) as store:
        done = export(store, options.folder)
    print(f"{options.folder}: {counted(done.sightings, 'sighting')}")
