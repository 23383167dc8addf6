"""Boxes in the text format of the MOT Challenge."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.tracks.boxes.rows import Rows
from keras_reid.utils.errors import UserError

_LEAST, _MOST = 6, 10  # columns


def mot_rows(path: str | os.PathLike[str], truth: bool = False) -> Rows:
    """The rows of a MOT Challenge file: frame, id, left, top, width, height, score, and what is not used.

    Columns are separated by commas or blanks. A score of −1 means that there is none.

    Args:
        path: the file.
        truth: whether the 7th column is a flag, and rows with 0 are left out. Defaults to False.

    Raises:
        UserError: a line is not 6 to 10 numbers, or the lines differ in their number.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    except UnicodeDecodeError:
        raise UserError(f"{name}: is not text. {_RULE}") from None
    values = _numbers(name, lines)
    if truth:
        if values.shape[1] < 7:
            raise UserError(f"{name}: ground truth has 7 to 10 columns. Received: {values.shape[1]}")
        used = values[:, 6] != 0
        if not used.any():
            raise UserError(f"{name}: all {len(values)} boxes are flagged to be ignored (7th column)")
        lines = [line for line, use in zip(lines, used, strict=True) if use]
        values = values[used]
    score = values[:, 6].copy() if values.shape[1] > 6 and not truth else None
    if score is not None:
        score[score == -1] = 1
    return Rows(
        file=name,
        place=lambda row: f"line {lines[row][0]}",
        frame=values[:, 0],
        track=values[:, 1],
        corner=values[:, 2:4],
        size=values[:, 4:6],
        score=score,
        first_frame=1,
    )


_RULE = f"MOT Challenge files have {_LEAST} to {_MOST} numbers in a line: frame, id, left, top, width, height, score"


def _numbers(name: str, lines: list[tuple[int, str]]) -> NDArray[Any]:
    if not lines:
        raise UserError(f"{name}: holds no boxes")
    separator = "," if "," in lines[0][1] else None
    columns = len(lines[0][1].split(separator))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = np.loadtxt([line for _, line in lines], delimiter=separator, comments=None, ndmin=2)
    except ValueError:
        values = np.empty((0, 0))
    if len(values) == len(lines) and _LEAST <= values.shape[1] <= _MOST:
        return values
    for number, line in lines:
        numbers = line.split(separator)
        try:
            [float(one) for one in numbers]
        except ValueError:
            numbers = []
        if len(numbers) != columns or not _LEAST <= len(numbers) <= _MOST:
            raise UserError(f"{name}: line {number}: {_RULE}. Received: {line.strip()[:60]!r}")
    raise UserError(f"{name}: {_RULE}")
