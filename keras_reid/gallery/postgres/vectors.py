"""The embeddings of a model: a table `vectors_M`, whose partitions `vectors_M_pN` hold whole identities.

So erasing an identity rewrites one small partition, while the others are searched. Each partition may have an
approximate index of its own, `vectors_M_pN_hnsw`, on the embeddings in half precision.
"""

from __future__ import annotations

import datetime
import os
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from psycopg import Connection

PARTITIONS = 4  # each has a graph to search, so more make searches slower, and fewer make erasing slower
_PAGE = 8152  # bytes that a row of a page of PostgreSQL may have, with its header
_OTHERS = 24 + 8 + 8 + 8 + 8 + 8  # bytes of a row besides the numbers of its embedding, at most
_LONGEST_INDEXED = 4000  # numbers of a halfvec that HNSW takes
_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)  # PostgreSQL's
_NULL = struct.pack("!i", -1)
_BEGIN, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), struct.pack("!h", -1)

Row = tuple[int, int, int | None, datetime.datetime | None]  # sighting, identity, camera, time


def table(model: int) -> str:
    """The name of the table of a model."""
    return f"vectors_{int(model)}"


def partition(model: int, number: int) -> str:
    """The name of a partition."""
    return f"{table(model)}_p{int(number)}"


def create(connection: Connection, model: int, dimension: int) -> None:
    """Makes the table of a model.

    Args:
        connection: within a transaction.
        model: its number in `models`.
        dimension: numbers of an embedding.
    """
    name = table(model)
    _execute(
        connection,
        f"CREATE TABLE {name} (sighting bigint NOT NULL, identity bigint NOT NULL, camera integer, seen timestamptz, "
        f"embedding vector({int(dimension)}) NOT NULL) PARTITION BY HASH (identity)",
    )
    # Statistics would keep samples of what was erased: of the whole, and below of each partition.
    _execute(connection, f"ALTER TABLE {name} ALTER COLUMN embedding SET STATISTICS 0")
    # Where a row fits a page, reading it is one step instead of three. Floats do not compress.
    storage = "PLAIN" if 4 * dimension + _OTHERS <= _PAGE else "EXTERNAL"
    for number in range(PARTITIONS):
        part = partition(model, number)
        _execute(
            connection,
            f"CREATE TABLE {part} PARTITION OF {name} FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})",
        )
        _execute(
            connection,
            f"ALTER TABLE {part} ALTER COLUMN embedding SET STORAGE {storage}, "
            "ALTER COLUMN embedding SET STATISTICS 0",
        )
    for column in ("identity", "camera", "seen"):
        _execute(connection, f"CREATE INDEX ON {name} ({column})")


def insert(connection: Connection, model: int, rows: Iterable[Row], embeddings: NDArray[np.float32]) -> None:
    """Adds embeddings, by a binary COPY.

    Args:
        connection: within a transaction.
        model: its number.
        rows: of each embedding: number of the sighting and of its identity, that of its camera, its time.
        embeddings: `(n, dim)` float32.
    """
    dim = embeddings.shape[1]
    head = struct.pack("!ihh", 4 + 4 * dim, dim, 0)
    numbers = np.ascontiguousarray(embeddings, ">f4")
    with connection.cursor().copy(
        f"COPY {table(model)} (sighting, identity, camera, seen, embedding) FROM STDIN (FORMAT binary)"  # type: ignore[arg-type]
    ) as copy:
        copy.write(_BEGIN)
        for (sighting, identity, camera, seen), row in zip(rows, numbers, strict=True):
            copy.write(
                struct.pack("!hiqiq", 5, 8, sighting, 8, identity)
                + (_NULL if camera is None else struct.pack("!ii", 4, camera))
                + (_NULL if seen is None else struct.pack("!iq", 8, _microseconds(seen)))
                + head
                + row.tobytes()
            )
        copy.write(_END)


def index_name(model: int, number: int) -> str:
    """The name of a partition's approximate index."""
    return f"{partition(model, number)}_hnsw"


def can_be_indexed(dimension: int) -> bool:
    """Whether there can be an approximate index for embeddings of so many numbers."""
    return dimension <= _LONGEST_INDEXED


def build_index(connection: Connection, model: int, number: int, dimension: int) -> None:
    """Builds the approximate index of a partition, or builds it anew. Searches and enrolments go on meanwhile.

    Args:
        connection: one that commits each statement by itself (`Database.apart`).
        model: its number.
        number: of the partition.
        dimension: numbers of an embedding.
    """
    drop_index(connection, model, number)  # also an unusable one that a kill has left
    rows = connection.execute(
        f"SELECT count(*) FROM {partition(model, number)}"  # type: ignore[arg-type]
    ).fetchone()
    # The graph is built in memory, or many times slower: half precision, and up to 1000 bytes of links for each row.
    megabytes = 64 + (rows[0] if rows else 0) * (2 * dimension + 1000) * 5 // 4 // 2**20
    _execute(connection, f"SET maintenance_work_mem = '{min(megabytes, 4096)}MB'")
    # Workers share the graph in shared memory, of which containers have 64 MB.
    workers = 0 if _shared_memory() < 2 * megabytes * 2**20 else min(os.cpu_count() or 1, 8) - 1
    _execute(connection, f"SET max_parallel_maintenance_workers = {workers}")
    _execute(
        connection,
        f"CREATE INDEX CONCURRENTLY {index_name(model, number)} ON {partition(model, number)} "
        f"USING hnsw ((embedding::halfvec({int(dimension)})) halfvec_ip_ops)",
    )
    # The planner keeps samples of what an index computes, too.
    _execute(connection, f"ALTER INDEX {index_name(model, number)} ALTER COLUMN 1 SET STATISTICS 0")


def drop_index(connection: Connection, model: int, number: int) -> None:
    """Drops the approximate index of a partition, which is then searched exactly."""
    _execute(connection, f"DROP INDEX IF EXISTS {index_name(model, number)}")


def _shared_memory():
    """Bytes that are free for what processes share."""
    try:
        facts = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return facts.f_bavail * facts.f_frsize


def _microseconds(time):
    return (time - _EPOCH) // datetime.timedelta(microseconds=1)


def _execute(connection, statement):
    connection.execute(statement)
