"""`keras-reid gallery forget IDENTITY… --yes`: erase people, provably."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Forget:
    """Erase identities with all their sightings, embeddings and pictures. It cannot be undone.

    In a private store the bytes go too: tables are rewritten, write-ahead logs removed, and then every file of the
    store is searched for 64-byte runs of what was erased. Only if none is found, a signed receipt is issued. After a
    kill, the next command that opens the store finishes the work. On a server the rows are deleted, and the receipt
    says what follows that server's retention.
    """

    identities: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IDENTITY")]
    """names, numbers such as '#12', or subject ids"""
    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    receipt: Path | None = None
    """a new file for the receipt. A private store keeps a copy in its folder receipts"""
    key: Path | None = None
    """the key that signs the receipt, made if it is missing; by default it lies beside the folder of the store"""
    yes: bool = False
    """do it. Without this option, only what would be erased is said"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Forget, arguments, prog="keras-reid gallery forget", config=(tyro.conf.FlagCreatePairsOff,)
    )
    if not options.identities:
        raise UserError("name at least one identity to erase, before the options")
    from keras_reid.gallery.chosen_identities import chosen_identities
    from keras_reid.gallery.erasure_output import check_receipt_file, say_erased
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.erasure import finish_pending, forget, key_of
    from keras_reid.gallery.postgres.store import PostgresStore

    check_receipt_file(options.receipt)
    check_store(options.store, create=False)
    with PostgresStore(options.store, create=False) as store:
        key_of(store, options.key)
        finish_pending(store, options.key)
        chosen = chosen_identities(store, options.identities)
        for one in chosen:
            print(one, file=sys.stderr)
        if not options.yes:
            raise UserError("nothing was erased. It cannot be undone: add --yes to do it")
        receipt = forget(store, [one.number for one in chosen], options.key)
        say_erased(store, receipt, options.receipt)
