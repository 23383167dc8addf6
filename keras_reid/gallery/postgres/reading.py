"""Reads the embeddings of a store in bulk, by a binary COPY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.postgres import vectors

if TYPE_CHECKING:
    from psycopg import Connection

_HEADER = 19  # bytes before the first row
_ROWS = 4096  # handed on at a time


def read_vectors(
    connection: Connection, model: int, dimension: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """The embeddings of a model, in no order. Memory: 4096 of them.

    Args:
        connection: within a transaction, which does nothing else meanwhile.
        model: its number.
        dimension: numbers of an embedding.

    Yields:
        `(sightings, identities, embeddings)`: `(n,)`, `(n,)`, `(n, dim)`.

    Example:
        >>> for sightings, identities, rows in read_vectors(connection, 1, 512): ...  # doctest: +SKIP
    """
    # As PostgreSQL sends a row: the number of fields, then each with its length; a vector with its dimension.
    row = np.dtype(
        [
            ("fields", ">i2"),
            ("sighting_length", ">i4"),
            ("sighting", ">i8"),
            ("identity_length", ">i4"),
            ("identity", ">i8"),
            ("embedding_length", ">i4"),
            ("dimension", ">i2"),
            ("unused", ">i2"),
            ("embedding", ">f4", (dimension,)),
        ]
    )
    query = (
        f"COPY (SELECT sighting, identity, embedding FROM {vectors.table(model)}) TO STDOUT (FORMAT binary)"
    )
    waiting, begun = bytearray(), False
    with connection.cursor().copy(query) as copy:  # type: ignore[arg-type]
        for block in copy:
            waiting += block
            if not begun and len(waiting) >= _HEADER:
                del waiting[:_HEADER]
                begun = True
            count = len(waiting) // row.itemsize
            if begun and count >= _ROWS:
                yield _parts(bytes(waiting[: count * row.itemsize]), row)
                del waiting[: count * row.itemsize]
    count = len(waiting) // row.itemsize  # what remains is the two bytes of the end
    if count:
        yield _parts(bytes(waiting[: count * row.itemsize]), row)


def all_vectors(
    connection: Connection, model: int, dimension: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """All embeddings at once, as `read_vectors` yields them. Memory: twice theirs."""
    parts = list(read_vectors(connection, model, dimension))
    if not parts:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros((0, dimension), np.float32)
    sightings, identities, embeddings = zip(*parts, strict=True)
    return np.concatenate(sightings), np.concatenate(identities), np.concatenate(embeddings)


def _parts(content, row):
    rows = np.frombuffer(content, row)
    return (
        rows["sighting"].astype(np.int64),
        rows["identity"].astype(np.int64),
        rows["embedding"].astype(np.float32),
    )
