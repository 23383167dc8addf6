"""What `forget` and `expire` say and write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore


def check_receipt_file(path: Path | None) -> None:
    """Checks that a receipt can be written, before anything is erased.

    Raises:
        UserError: the file exists, or its folder does not.
    """
    if path is None:
        return
    if path.exists():
        raise UserError(f"{path} exists: a receipt overwrites nothing. Name a new file with --receipt")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist. Create it first")


def counts_in_words(counts: Mapping[str, int]) -> str:
    """How much was erased, by a receipt.

    Example:
        >>> counts_in_words({"identities": 1, "sightings": 3, "vectors": 3, "images": 0})
        '1 identity, 3 sightings, 3 embeddings, 0 pictures'
    """
    words = (
        counted(counts["identities"], "identity", "identities"),
        counted(counts["sightings"], "sighting"),
        counted(counts["vectors"], "embedding"),
        counted(counts["images"], "picture"),
    )
    sample = counts.get("sightings_looked_for")
    looked_for = f"; traces of a random {counted(sample, 'sighting')} were looked for" if sample else ""
    return ", ".join(words) + looked_for


def say_erased(store: PostgresStore, receipt: dict[str, Any], path: Path | None) -> None:
    """Writes the receipt to `path`, and says what was erased and where the receipt is; prints it if it is nowhere."""
    from keras_reid.gallery.postgres.erasure import RECEIPTS

    counts, scan = receipt["counts"], receipt["scan"]
    print(f"erased {counts_in_words(counts)}")
    if scan is None:
        print(receipt["limits"])
    else:
        print(f"no trace of them in {counted(scan['files'], 'file')}, {scan['bytes'] / 1e6:.0f} MB")
    if path is None and store.folder is not None:
        path = store.folder / RECEIPTS / f"{receipt['erasure']}.json"
    elif path is not None:
        write_json(path, receipt)
    if path is None:  # a store on a server keeps no copy
        print(json.dumps(receipt, indent=2))
    else:
        print(f"receipt: {path}")
