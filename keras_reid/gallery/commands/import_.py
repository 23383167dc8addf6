"""`keras-reid gallery import FOLDER`: enrol what another store has exported."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted


@dataclasses.dataclass(frozen=True)
class Import:
    """Enrol what `export` wrote, into a new store or one of the same model.

    Sightings that are enrolled already are passed over: a repeated import continues where it was. Identities that this
    store has erased stay out.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """that `export` wrote"""
    store: str = "gallery-store"
    """folder of the store, which is made if it is missing, or postgresql://USER@HOST/DATABASE"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Import, arguments, prog="keras-reid gallery import")
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.transfer import import_

    check_store(options.store)
    done = import_(options.store, options.folder)
    were = "was" if done.duplicates == 1 else "were"
    left_out = f", {done.erased} of erased identities left out" if done.erased else ""
    print(
        f"{counted(done.sightings, 'sighting')} enrolled, {done.duplicates} {were} enrolled already{left_out}"
    )
