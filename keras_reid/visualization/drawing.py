"""Ranked lists as one picture."""

from PIL import Image, ImageDraw, ImageFont

from keras_reid.errors import UserError
from keras_reid.files import written_aside
from keras_reid.visualization.ranked_list import describe_distance
from keras_reid.visualization.thumbnails import common_size, thumbnail

_HEIGHT, _GAP, _MARGIN, _CAPTION = 168, 12, 24, 22
_RIGHT, _WRONG, _QUERY = "#1a7f37", "#cf222e", "#57606a"
_PAPER, _INK, _FAINT, _TILE = "#ffffff", "#1f2328", "#57606a", "#eaeef2"


def draw_ranked_lists(lists, path):
    """Draws ranked lists into one picture: a row for each query, its nearest gallery images to the right.

    Images of the query's identity have a thick green frame, others a thin red one. Under each stand the
    cosine similarity (or the Euclidean distance) and the camera; above the row the query's average precision.

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
    width, height = common_size([one.path for one in lists], _HEIGHT)
    columns = 1 + max(len(one.images) for one in lists)
    row_height = _CAPTION + height + _CAPTION + _GAP
    # The query stands apart from the list by one more gap.
    paper = Image.new(
        "RGB",
        (2 * _MARGIN + columns * (width + _GAP), 2 * _MARGIN - _GAP + len(lists) * row_height),
        _PAPER,
    )
    draw = ImageDraw.Draw(paper)
    small, bold = ImageFont.load_default(12), ImageFont.load_default(14)
    for row, one in enumerate(lists):
        top = _MARGIN + row * row_height
        draw.text((_MARGIN, top), f"AP {100 * one.average_precision:.1f} %", _INK, bold)
        top += _CAPTION
        _tile(paper, draw, (_MARGIN, top), (width, height), one.path, _QUERY, 2)
        draw.text((_MARGIN, top + height + 4), _join("query", _camera(one.camera)), _FAINT, small)
        for column, image in enumerate(one.images):
            left = _MARGIN + _GAP + (column + 1) * (width + _GAP)
            frame, thickness = (_RIGHT, 5) if image.right else (_WRONG, 2)
            _tile(paper, draw, (left, top), (width, height), image.path, frame, thickness)
            caption = _join(describe_distance(one.metric, image.distance), _camera(image.camera))
            draw.text((left, top + height + 4), caption, frame, small)
    with written_aside(path) as aside:
        paper.save(aside)


def _tile(paper, draw, corner, size, path, frame, thickness):
    """An image in the middle of its tile, inside a frame."""
    inner = (size[0] - 2 * thickness, size[1] - 2 * thickness)
    image = thumbnail(path, inner)
    box = (*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1)
    draw.rectangle(box, fill=_TILE, outline=frame, width=thickness)
    left, top = ((outer - own) // 2 for outer, own in zip(size, image.size, strict=True))
    paper.paste(image, (corner[0] + left, corner[1] + top))


def _camera(camera):
    return "" if camera is None else f"cam {camera}"


def _join(*parts):
    return "   ".join(part for part in parts if part)
