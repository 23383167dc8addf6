"""Ranked lists as one picture."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import save_picture
from keras_reid.visualization.ranked_list import camera_label, describe_distance
from keras_reid.visualization.thumbnails import common_size, thumbnail

if TYPE_CHECKING:
    from keras_reid.visualization.ranked_list import RankedList

WIDEST = 1400  # pixels of a picture; what does not fit into a line stands in the next one
_HEIGHT, _NARROWEST, _GAP, _MARGIN = 168, 108, 12, 24
_LINE, _HEADING = 16, 24  # heights of a line of text
GREEN, RED = ("#1a7f37", 5), ("#cf222e", 2)  # frames: colour and thickness
GREY = "#57606a"
_PAPER, _INK, _TILE = "#ffffff", "#1f2328", "#eaeef2"
# Pillow's own font has neither sign: corners of their strokes, in a square of size 1.
_SIGNS = {
    "✓": [[(0.05, 0.55), (0.38, 0.9), (0.95, 0.1)]],
    "✗": [[(0.1, 0.1), (0.9, 0.9)], [(0.9, 0.1), (0.1, 0.9)]],
}


def draw_ranked_lists(lists: Sequence[RankedList], path: str | os.PathLike[str]) -> None:
    """Draws ranked lists into one picture: each query on the left, and next to it its nearest gallery images.

    Images of the query's identity have a thick green frame and a ✓, others a thin red one and a ✗. Below each stand
    its rank, the cosine similarity (or the Euclidean distance), the camera and the file name; above the list the
    query's average precision. The picture is at most 1400 pixels wide: longer lists take several lines.

    Args:
        lists: `RankedList`s, as `ranked_lists` returns them.
        path: the picture to write; its ending (.png, .jpg, …) is its format.

    Raises:
        UserError: no list is given.

    Example:
        >>> draw_ranked_lists(lists, "ranked_lists.png")  # doctest: +SKIP
    """
    if not lists:
        raise UserError("there is no ranked list to draw.")
    rows = []
    for one in lists:
        tiles = [Tile(one.path, ("query", _camera(one.camera)))]
        for image in one.images:
            distance = describe_distance(one.metric, image.distance)
            sign, frame = ("✓", GREEN) if image.right else ("✗", RED)
            tiles.append(
                Tile(image.path, (f"{image.rank}", distance, _camera(image.camera)), *frame, sign=sign)
            )
        precision = one.average_precision
        rows.append(
            ("no match in the gallery" if math.isnan(precision) else f"AP {100 * precision:.1f} %", tiles)
        )
    draw_rows(rows, path)


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image in a picture of rows; its file name stands below it.

    Args:
        path: the image file.
        words: what stands below it, above the file name; empty ones are left out.
        colour: of its frame and of the words.
        thickness: of its frame, in pixels.
        sign: `"✓"`, `"✗"` or empty: drawn after the first word.
    """

    path: str
    words: tuple[str, ...]
    colour: str = GREY
    thickness: int = 2
    sign: str = ""


def draw_rows(rows: Sequence[tuple[str, Sequence[Tile]]], path: str | os.PathLike[str]) -> None:
    """Draws rows of images into one picture: the first of each row on the left, the others in lines next to it.

    Args:
        rows: `(heading, tiles)` of each, with at least one `Tile`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.
    """
    width, height = common_size([tiles[0].path for _, tiles in rows], _HEIGHT)
    step = max(width, _NARROWEST) + _GAP
    most = (WIDEST - 2 * _MARGIN) // step - 1  # in a line, next to the first
    columns = min(most, max(1, *(len(tiles) - 1 for _, tiles in rows)))
    line = height + 2 * _LINE + _GAP
    lines = [max(1, math.ceil((len(tiles) - 1) / columns)) for _, tiles in rows]
    # One more gap separates the query from its list.
    paper = Image.new(
        "RGB",
        (2 * _MARGIN + (columns + 1) * step, 2 * _MARGIN - _GAP + sum(_HEADING + line * n for n in lines)),
        _PAPER,
    )
    draw = ImageDraw.Draw(paper)
    small, bold = ImageFont.load_default(12), ImageFont.load_default(14)
    top = _MARGIN
    for (heading, tiles), count in zip(rows, lines, strict=True):
        draw.text((_MARGIN, top), heading, _INK, bold)
        for number, tile in enumerate(tiles):
            row, column = divmod(number - 1, columns) if number else (0, -1)
            left = _MARGIN + (column + 1) * step + (_GAP if number else 0)
            down = top + _HEADING + row * line
            _draw_tile(paper, draw, (left, down), (width, height), tile)
            _write_below(draw, (left, down + height + 3), step - _GAP, tile, small)
        top += _HEADING + line * count
    save_picture(paper, path)


def _draw_tile(paper, draw, corner, size, tile):
    """An image in the middle of its tile, inside a frame."""
    inner = (size[0] - 2 * tile.thickness, size[1] - 2 * tile.thickness)
    image = thumbnail(tile.path, inner)
    box = (*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1)
    draw.rectangle(box, fill=_TILE, outline=tile.colour, width=tile.thickness)
    left, top = ((outer - own) // 2 for outer, own in zip(size, image.size, strict=True))
    paper.paste(image, (corner[0] + left, corner[1] + top))


def _write_below(draw, corner, width, tile, font):
    """The words and the sign, and below them the file name, as much of its end as there is room for."""
    left, top = corner
    for place, word in enumerate(filter(None, tile.words)):
        draw.text((left, top), word, tile.colour, font)
        left += font.getlength(word) + 6
        if place == 0 and tile.sign:
            for stroke in _SIGNS[tile.sign]:
                draw.line([(left + 9 * x, top + 3 + 9 * y) for x, y in stroke], tile.colour, 2)
            left += 15
    name = pathlib.Path(tile.path).name
    if font.getlength(name) > width:
        while name and font.getlength(f"…{name}") > width:
            name = name[1:]
        name = f"…{name}"
    draw.text((corner[0], top + _LINE), name, _INK, font)


def _camera(camera):
    return "" if camera is None else camera_label(camera)
