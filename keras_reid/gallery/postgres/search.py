"""Searches the vectors of a model: exactly, or by the approximate index with exact distances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.postgres import vectors
from keras_reid.gallery.protocol import Filters, Found

if TYPE_CHECKING:
    from psycopg import Connection

EXACT_ROWS = 20_000  # that filters leave: up to here looking at each is as fast as the index
_CANDIDATES = 4  # times `top`, which the exact distances put in order
_LEAST = 40  # candidates
_BREADTH = 100  # candidates that a partition's index keeps at a time (ef_search)
_FILTERED = 60  # the same under a filter, for each vector that passes it, as measured for a recall of 0.98
_BROADEST = 1000  # as pgvector allows
_LONGEST_SCAN = 40_000  # vectors that a partition's index looks at before it gives up on a filter


def search(
    connection: Connection,
    model: int,
    query: NDArray[np.float32],
    filters: Filters,
    top: int,
    approximate: bool,
    partitions: Sequence[int] | None = None,
) -> list[Found]:
    """The nearest sightings of a query, nearest first; equal ones in the order of their enrolment.

    Args:
        connection: within a transaction.
        model: number of the model.
        query: `(dim,)` float32.
        filters: which sightings to look at.
        top: most sightings.
        approximate: whether to use the approximate index, where that is faster.
        partitions: numbers of the only ones to look at; None: all.
    """
    where, values = _conditions(connection, filters)
    values |= {"query": _literal(query), "top": top}
    table = vectors.table(model)
    rows_of = table
    if partitions is not None:
        each = " UNION ALL ".join(
            f"SELECT * FROM {vectors.partition(model, number)}" for number in partitions
        )
        rows_of = f"({each}) chosen"
    nearest = (
        f"SELECT sighting, identity, camera, seen, embedding <#> %(query)s::vector AS product FROM {rows_of}{where} "
        "ORDER BY product, sighting LIMIT %(top)s"
    )
    breadth = _breadth(connection, table, where, values) if approximate else None
    if breadth is not None:
        connection.execute(
            "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', %s, true), "
            "set_config('hnsw.max_scan_tuples', %s, true), set_config('enable_seqscan', 'off', true)",
            [
                str(min(max(breadth, top), 1000)),
                "relaxed_order" if where or top > breadth else "off",
                str(max(_LONGEST_SCAN, 10 * top)),
            ],
        )
        half = f"halfvec({len(query)})"
        # A parameter of its own: one has one type, and the exact query keeps its.
        values["half"] = values["query"]
        values["candidates"] = max(_LEAST, _CANDIDATES * top)
        nearest = (
            "SELECT sighting, identity, camera, seen, embedding <#> %(query)s::vector AS product FROM ("
            f"SELECT * FROM {rows_of}{where} ORDER BY embedding::{half} <#> %(half)s::{half} LIMIT %(candidates)s"
            ") candidates ORDER BY product, sighting LIMIT %(top)s"
        )
    rows = connection.execute(
        "SELECT n.sighting, n.identity, i.name, c.name, n.seen, s.source, greatest(1 + n.product, 0), "  # type: ignore[arg-type]
        f"s.quality, s.image FROM ({nearest}) n JOIN sightings s ON s.id = n.sighting "
        "JOIN identities i ON i.id = n.identity LEFT JOIN cameras c ON c.id = n.camera ORDER BY n.product, n.sighting",
        values,
        prepare=False,  # a plan for these very filters
    ).fetchall()
    return [Found(*row) for row in rows]


def measured_recall(connection: Connection, model: int, queries: int = 100, top: int = 10) -> float:
    """How many of the `top` nearest, on average, the approximate index finds, 0 … 1.

    Args:
        connection: within a transaction.
        model: number of the model.
        queries: vectors of the store that are searched for.
        top: sightings for each.
    """
    rows = connection.execute(
        f"SELECT embedding::text FROM {vectors.table(model)} WHERE sighting IN "  # type: ignore[arg-type]
        "(SELECT id FROM sightings ORDER BY md5(id::text) LIMIT %s)",
        [queries],
    ).fetchall()
    hits = 0
    wanted = 0
    for (text,) in rows:
        query = np.array(text[1:-1].split(","), np.float32)
        exact = {one.sighting for one in search(connection, model, query, Filters(), top, False)}
        hits += sum(one.sighting in exact for one in search(connection, model, query, Filters(), top, True))
        wanted += len(exact)
        connection.execute("SELECT set_config('enable_seqscan', 'on', true)")
    return hits / wanted if wanted else 1.0


def _conditions(connection, filters):
    """The WHERE clause of filters, with its values; empty without."""
    conditions, values = [], {}
    if filters.cameras:
        # Numbers, not a subquery: the planner expects as many rows as there are.
        rows = connection.execute(
            "SELECT id FROM cameras WHERE name = ANY(%s::text[])", [list(filters.cameras)]
        ).fetchall()
        conditions.append("camera = ANY(%(cameras)s::integer[])")
        values["cameras"] = [number for (number,) in rows]
    if filters.after is not None:
        conditions.append("seen >= %(after)s")
        values["after"] = filters.after
    if filters.before is not None:
        conditions.append("seen < %(before)s")
        values["before"] = filters.before
    if filters.identities:
        conditions.append("identity = ANY(%(identities)s)")
        values["identities"] = list(filters.identities)
    if filters.quality is not None:
        conditions.append(
            "EXISTS (SELECT FROM sightings q WHERE q.id = sighting AND q.quality >= %(quality)s)"
        )
        values["quality"] = filters.quality
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), values


def _breadth(connection, name, where, values):
    """How many candidates each partition's index shall keep; None if an exact search is as fast.

    A filter leaves few of the candidates: the rarer what it lets through, the more are needed for the same recall.
    """
    if not where:
        return _BREADTH
    row = connection.execute(
        f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {name}{where}", values, prepare=False
    ).fetchone()
    plan: Any = row[0] if isinstance(row[0], list) else json.loads(row[0])
    expected = plan[0]["Plan"]["Plan Rows"]
    if expected <= EXACT_ROWS:
        return None
    (total,) = connection.execute(
        "SELECT sum(reltuples) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = %s::regclass",
        [name],
    ).fetchone()
    return max(_BREADTH, min(round(_FILTERED * total / max(1, expected)), _BROADEST))


def _literal(query):
    """A vector as pgvector reads it, to the bit."""
    return "[" + ",".join(map(str, query)) + "]"
