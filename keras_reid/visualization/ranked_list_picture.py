"""Ranked lists as one picture."""

import dataclasses

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import save_picture
from keras_reid.visualization.ranked_list import describe_distance
from keras_reid.visualization.thumbnails import common_size, thumbnail

_HEIGHT, _GAP, _MARGIN, _CAPTION = 168, 12, 24, 22
GREEN, RED = ("#1a7f37", 5), ("#cf222e", 2)  # frames: colour and thickness
GREY = "#57606a"
_PAPER, _INK, _TILE = "#ffffff", "#1f2328", "#eaeef2"


def draw_ranked_lists(lists, path):
    """Draws ranked lists into one picture: a row for each query, its nearest gallery images to the right.

    Images of the query's identity have a thick green frame, others a thin red one. The cosine
    similarity (or the Euclidean distance) and the camera are written below each, the query's average precision above
    the row.

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
        tiles = [Tile(one.path, _join("query", _camera(one.camera)))]
        for image in one.images:
            caption = _join(describe_distance(one.metric, image.distance), _camera(image.camera))
            tiles.append(Tile(image.path, caption, *(GREEN if image.right else RED)))
        rows.append((f"AP {100 * one.average_precision:.1f} %", tiles))
    draw_rows(rows, path)


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image in a picture of rows.

    Args:
        path: the image file.
        caption: the text below it.
        colour: of its frame and caption.
        thickness: of its frame, in pixels.
    """

    path: str
    caption: str
    colour: str = GREY
    thickness: int = 2


def draw_rows(rows, path):
    """Draws rows of images into one picture; a wider gap follows the first of each row.

    Args:
        rows: `(heading, tiles)` of each, with at least one `Tile`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.
    """
    width, height = common_size([tiles[0].path for _, tiles in rows], _HEIGHT)
    columns = max(len(tiles) for _, tiles in rows)
    row_height = _CAPTION + height + _CAPTION + _GAP
    # One more gap separates the query from its list.
    paper = Image.new(
        "RGB",
        (2 * _MARGIN + columns * (width + _GAP), 2 * _MARGIN - _GAP + len(rows) * row_height),
        _PAPER,
    )
    draw = ImageDraw.Draw(paper)
    small, bold = ImageFont.load_default(12), ImageFont.load_default(14)
    for row, (heading, tiles) in enumerate(rows):
        top = _MARGIN + row * row_height
        draw.text((_MARGIN, top), heading, _INK, bold)
        top += _CAPTION
        for column, tile in enumerate(tiles):
            left = _MARGIN + (_GAP if column else 0) + column * (width + _GAP)
            _draw_tile(paper, draw, (left, top), (width, height), tile)
            draw.text((left, top + height + 4), tile.caption, tile.colour, small)
    save_picture(paper, path)


def _draw_tile(paper, draw, corner, size, tile):
    """An image in the middle of its tile, inside a frame."""
    inner = (size[0] - 2 * tile.thickness, size[1] - 2 * tile.thickness)
    image = thumbnail(tile.path, inner)
    box = (*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1)
    draw.rectangle(box, fill=_TILE, outline=tile.colour, width=tile.thickness)
    left, top = ((outer - own) // 2 for outer, own in zip(size, image.size, strict=True))
    paper.paste(image, (corner[0] + left, corner[1] + top))


def _camera(camera):
    return "" if camera is None else f"cam {camera}"


def _join(*parts):
    return "   ".join(part for part in parts if part)
