"""`keras-reid gallery expire --older-than 30d`: erase what may not be kept for longer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from keras_reid.utils import command_line


@dataclasses.dataclass(frozen=True)
class Expire:
    """Erase the sightings that are older than a given age, and the identities that lose their last one with it.

    It cannot be undone. The age counts from the time of the sighting, or from its enrolment where that is not known.
    What is erased, goes as in `forget`; of more than 1000 sightings a random 1000 are looked for afterwards.
    """

    older_than: str
    """a whole number of hours, days or weeks: 12h, 30d, 8w"""
    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    camera: tuple[str, ...] = ()
    """only sightings of these cameras"""
    receipt: Path | None = None
    """a new file for the receipt. A private store keeps a copy in its folder receipts"""
    key: Path | None = None
    """the key that signs the receipt, as in forget"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Expire, arguments, prog="keras-reid gallery expire", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from keras_reid.gallery.erasure_output import check_receipt_file, say_erased
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.erasure import finish_pending, key_of
    from keras_reid.gallery.postgres.expiry import expire, parse_age
    from keras_reid.gallery.postgres.store import PostgresStore

    age = parse_age(options.older_than)
    check_receipt_file(options.receipt)
    check_store(options.store, create=False)
    with PostgresStore(options.store, create=False) as store:
        key_of(store, options.key)
        finish_pending(store, options.key)
        receipt = expire(store, age, options.camera, options.key)
        if receipt is None:
            print(f"nothing in {store.name} is older than {options.older_than}")
        else:
            say_erased(store, receipt, options.receipt)
