"""Boxes in a CSV file with a header."""

from __future__ import annotations

import csv
import os

import numpy as np

from keras_reid.tracks.boxes.rows import Rows
from keras_reid.utils.errors import UserError

_NEEDED, _SCORE = ("frame", "id", "x", "y", "w", "h"), "score"


def table_rows(path: str | os.PathLike[str]) -> Rows:
    """The rows of a CSV file. Its header names at least frame, id, x, y, w and h; other columns are not used.

    Args:
        path: the file, with commas.

    Raises:
        UserError: a column is missing, or a cell is not a number.
    """
    name = os.fspath(path)
    cells, lines = [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file)
            header = [one.strip().lower() for one in next(table, [])]
            missing = [column for column in _NEEDED if column not in header]
            if missing:
                raise UserError(
                    f"{name}: the first line must name the columns {', '.join(_NEEDED)} and optionally {_SCORE}, with "
                    f"commas between them. Missing: {', '.join(missing)}; received: {', '.join(header)[:100]!r}"
                )
            used = [*_NEEDED, _SCORE] if _SCORE in header else list(_NEEDED)
            places = [header.index(column) for column in used]
            for row in table:
                if row:
                    cells.append(_numbers(name, table.line_num, row, places))
                    lines.append(table.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{name}: is not a CSV file: {error}") from None
    values = np.array(cells, np.float64).reshape(-1, len(places))
    return Rows(
        file=name,
        place=lambda row: f"line {lines[row]}",
        frame=values[:, 0],
        track=values[:, 1],
        corner=values[:, 2:4],
        size=values[:, 4:6],
        score=values[:, 6] if len(places) > 6 else None,
        first_frame=0,
    )


def _numbers(name: str, line: int, row: list[str], places: list[int]) -> list[float]:
    try:
        return [float(row[place]) for place in places]
    except (ValueError, IndexError):
        raise UserError(
            f"{name}: line {line}: every column must be a number. Received: {','.join(row)[:60]!r}"
        ) from None
