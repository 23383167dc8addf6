"""`keras-reid gallery audit`: what was done to a store, and that nobody has changed the record of it."""

from __future__ import annotations

import dataclasses
import json

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted


@dataclasses.dataclass(frozen=True)
class Audit:
    """Print the audit of a store, a line each, and verify the chain of hashes.

    Identities are named by random subject ids alone. Exits with 2 at the first row that was changed or removed.
    """

    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    json: bool = False
    """print each row as JSON, with its hash"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Audit, arguments, prog="keras-reid gallery audit", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.audit import entries, verified
    from keras_reid.gallery.postgres.store import PostgresStore

    check_store(options.store, create=False)
    with PostgresStore(options.store, create=False) as store, store.database.apart() as connection:
        with connection.transaction():
            last = None
            for last in verified(entries(connection)):
                print(json.dumps(last.to_dict()) if options.json else _line(last))
        if not options.json:
            end = (
                f"the chain of {counted(last.number, 'row')} is whole, up to {last.hash.hex()}"
                if last
                else "no rows"
            )
            print(end)


def _line(entry):
    facts = ", ".join(f"{name} {json.dumps(value)}" for name, value in entry.facts.items())
    subjects = " ".join(map(str, entry.subjects[:3])) + (" …" if len(entry.subjects) > 3 else "")
    at = entry.at.isoformat(timespec="seconds")
    return f"{entry.number:>6}  {at}  {entry.action:<8}  {facts}  {subjects}".rstrip()
