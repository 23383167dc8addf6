"""`keras-reid gallery check`: which enrolled pictures spoil the gallery?"""

from __future__ import annotations

import dataclasses
import json

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted


@dataclasses.dataclass(frozen=True)
class Check:
    """Name the enrolled pictures that look like somebody else than the identity they were enrolled for, and those that
    are near to many identities, so that every search finds them.

    Needs no model: it looks at the embeddings. Time: about a minute for 100 000 of 512 numbers. Memory: three copies of
    the embeddings. The exit code is 0 whatever is found, unless --strict is given.
    """

    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    json: bool = False
    """print JSON"""
    strict: bool = False
    """exit with code 1 if a picture is named"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Check, arguments, prog="keras-reid gallery check", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.named_references import check_references
    from keras_reid.gallery.postgres.store import PostgresStore

    check_store(options.store, create=False)
    with PostgresStore(options.store, create=False) as store:
        count, found = check_references(store)
    if options.json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            print(one)
        print(f"{len(found)} of {counted(count, 'picture')} should be looked at")
    if found and options.strict:
        raise SystemExit(1)
