"""What an erasure must leave no trace of, in a file of its own until the files of the store have been searched for it.

Each record: a letter for its kind, its length (8 bytes, little-endian), its bytes. The file lies in the store's folder,
readable by its owner alone, is overwritten and removed when the search is over, and is not searched itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.gallery.byte_scan import SHORTEST
from keras_reid.gallery.postgres import vectors
from keras_reid.utils.plain_files import open_plain

if TYPE_CHECKING:
    from psycopg import Connection

FOLDER = "erasing"  # in the store
TEXT, IMAGE, VECTOR, HALF, DIGEST = b"T", b"I", b"V", b"H", b"D"
_START_OF_SCAN = (
    b"\xff\xda"  # of a JPEG; what stands before it is the same in all pictures that the store encodes
)
_ROWS = 500  # read at a time


def needle_file(folder: Path, erasure: str) -> Path:
    """The file of an erasure in a store's folder."""
    return folder / FOLDER / erasure


def write_needles(
    connection: Connection, path: Path, sightings: Sequence[int], identities: Sequence[int]
) -> None:
    """Writes down what is about to be erased, and waits until it is on disk.

    Names, notes and sources; digests; the pictures that nothing else uses; the embeddings of all models, as float32 and
    as half-precision numbers.

    Args:
        connection: within the transaction that will erase it.
        path: the file.
        sightings: their numbers.
        identities: numbers of those whose names go too, as `changes.with_former` gives them.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open_plain(path, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        for kind, content in _needles(connection, list(sightings), list(identities)):
            _write(file, kind, content)
        file.flush()
        os.fsync(file.fileno())


def read_needles(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """`(kind, bytes)` of what was written. Nothing of a record that a kill has cut off, or in a restored store."""
    if not path.exists():
        return
    with open_plain(path) as file:
        while len(head := file.read(9)) == 9:
            length = int.from_bytes(head[1:], "little")
            content = file.read(length)
            if len(content) < length:
                return
            yield head[:1], content


def remove_needles(path: Path) -> None:
    """Overwrites the file with zeros and removes it."""
    if not path.exists():
        return
    with open_plain(path, "r+b") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(bytes(min(left, 2**20)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _write(file, kind, content):
    if len(content) >= SHORTEST:
        file.write(kind + len(content).to_bytes(8, "little") + content)


def _needles(connection, sightings, identities):
    for (name,) in _rows(connection, "SELECT name FROM identities WHERE id = ANY(%s)", [identities]):
        yield TEXT, (name or "").encode()
    for (name,) in _rows(
        connection,
        "SELECT unnest(names) FROM changes WHERE identities && %s::bigint[]",
        [identities],
    ):
        yield TEXT, (name or "").encode()
    for source, note, digest in _rows(
        connection, "SELECT source, note, digest FROM sightings WHERE id = ANY(%s)", [sightings]
    ):
        yield TEXT, source.encode()
        yield TEXT, (note or "").encode()
        yield DIGEST, bytes(digest or b"")
    for hash, content in _rows(
        connection,
        "SELECT i.hash, i.bytes FROM images i JOIN (SELECT image, count(*) AS uses FROM sightings "
        "WHERE id = ANY(%s) AND image IS NOT NULL GROUP BY image) s ON s.image = i.hash WHERE i.uses <= s.uses",
        [sightings],
    ):
        yield DIGEST, bytes(hash)
        yield IMAGE, bytes(content)[max(0, bytes(content).find(_START_OF_SCAN)) :]
    for (model,) in connection.execute("SELECT id FROM models ORDER BY id").fetchall():
        for (text,) in _rows(
            connection,
            f"SELECT embedding::text FROM {vectors.table(model)} WHERE sighting = ANY(%s) AND identity IN "
            "(SELECT identity FROM sightings WHERE id = ANY(%s))",
            [sightings, sightings],
        ):
            row = np.array(text[1:-1].split(","), "<f4")
            yield VECTOR, row.tobytes()
            yield HALF, row.astype("<f2").tobytes()


def _rows(connection, query, values):
    with connection.cursor("needles") as cursor:
        cursor.itersize = _ROWS
        yield from cursor.execute(query, values)
