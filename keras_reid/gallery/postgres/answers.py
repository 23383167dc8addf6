"""Answers to "is this the same one?": labelled pairs for the next calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.gallery.postgres import vectors

if TYPE_CHECKING:
    from psycopg import Connection

_SELECT = (
    "SELECT a.id, a.at, a.by, a.same, a.distance, a.model, a.sighting, a.other, c.name, d.name FROM answers a "
    "JOIN sightings s ON s.id = a.sighting LEFT JOIN cameras c ON c.id = s.camera "
    "LEFT JOIN sightings o ON o.id = a.other LEFT JOIN cameras d ON d.id = o.camera"
)


def keep(
    connection: Connection, by: str, same: bool, distance: float, model: str, sighting: int, other: int | None
) -> tuple[Any, ...]:
    """Keeps an answer; its row, as `all_rows` gives it.

    Args:
        connection: within a transaction.
        by: who answers.
        same: the answer.
        distance: between the two.
        model: fingerprint of the model that it is of.
        sighting: the one that was found.
        other: the one it was compared with, or None.
    """
    row = connection.execute(
        "INSERT INTO answers (by, same, distance, model, sighting, other) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        [by, same, distance, model, sighting, other],
    ).fetchone()
    return connection.execute(f"{_SELECT} WHERE a.id = %s", row).fetchone() or ()


def all_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """All answers, oldest first: number, time, by, same, distance, model, sighting, other, and both cameras."""
    return connection.execute(f"{_SELECT} ORDER BY a.id").fetchall()


def pairs(connection: Connection) -> list[tuple[int, int, bool]]:
    """The answers on two enrolled sightings, oldest first: their numbers, and whether they are the same."""
    return connection.execute(
        "SELECT sighting, other, same FROM answers WHERE other IS NOT NULL ORDER BY id"
    ).fetchall()


def distance(connection: Connection, model: int, sightings: Sequence[int]) -> float | None:
    """1 − cosine similarity of two sightings; None if one of them has no embedding."""
    table = vectors.table(model)
    row = connection.execute(
        f"SELECT greatest(1 + (a.embedding <#> b.embedding), 0) FROM {table} a, {table} b, sightings s, sightings t "  # type: ignore[arg-type]
        "WHERE s.id = %s AND t.id = %s AND a.identity = s.identity AND a.sighting = s.id "
        "AND b.identity = t.identity AND b.sighting = t.id",
        list(sightings),
    ).fetchone()
    return None if row is None else row[0]
