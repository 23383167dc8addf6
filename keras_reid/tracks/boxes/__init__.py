"""A tracker's boxes, from files and objects: one file for each format, and `rows` for what they share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from keras_reid.tracks.boxes.coco import coco_rows
from keras_reid.tracks.boxes.detections import boxes_of_detections
from keras_reid.tracks.boxes.mot import mot_rows
from keras_reid.tracks.boxes.rows import boxes_of_rows
from keras_reid.tracks.boxes.table import table_rows
from keras_reid.tracks.records import Boxes
from keras_reid.utils.errors import UserError

__all__ = ["FORMATS", "Format", "boxes_of_detections", "read_boxes"]

Format = Literal["mot", "mot-gt", "coco", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
_HEAD = 4096  # bytes that hold a first line


def read_boxes(
    path: str | os.PathLike[str],
    format: Format | None = None,
    first_frame: int | None = None,
    skip_bad: bool = False,
) -> Boxes:
    """Reads the boxes of one camera's tracker.

    | format | holds | frames count from |
    |---|---|---|
    | `mot` | MOT Challenge text: frame, id, left, top, width, height, and optionally score and 3 unused numbers | 1 |
    | `mot-gt` | its ground truth: score is a flag, 0 for boxes to ignore; class and visibility are not used | 1 |
    | `csv` | a table with a header: frame, id, x, y, w, h, and optionally score, in any order | 0 |
    | `coco` | JSON with `images` and `annotations`; these have `track_id`, or it is among their `attributes` | 0 |

    Boxes of no track (id −1) are left out, with a warning.

    Args:
        path: the file.
        format: its format. None, the default, looks: JSON is `coco`, a header makes it `csv`, and 9 columns `mot-gt`.
            A file called .csv must have a header.
        first_frame: number of the video's first frame in the file. None: as in the table. For `coco` only
            where every image has a `frame_id` or `frame_index`; elsewhere the list of images gives the order.
        skip_bad: leave out boxes that have no area or numbers that are not finite, with a warning, instead of refusing
            the file. Defaults to False.

    Raises:
        UserError: the file does not have this format, a box is impossible, a track is twice in a frame, or there is
            no box; the message names the line.
        OSError: the file cannot be read.

    Example:
        >>> read_boxes("hall.txt")  # doctest: +SKIP
        Boxes(...)

    Source: the MOT Challenge's format, https://motchallenge.net/instructions; COCO's, https://cocodataset.org.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder. Name the file with the boxes")
    if format is None:
        format = _format_of(path)
    if format == "coco":
        rows = coco_rows(path)
    elif format == "csv":
        rows = table_rows(path)
    elif format in FORMATS:
        rows = mot_rows(path, truth=format == "mot-gt")
    else:
        raise UserError(f"`format` must be one of {', '.join(FORMATS)}. Received: {format!r}.")
    return boxes_of_rows(rows, first_frame, skip_bad)


def _format_of(path: Path) -> Format:
    with open(path, "rb") as file:
        head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf").lstrip()
    if not head:
        raise UserError(f"{path}: the file is empty: it holds no boxes")
    if b"\0" in head:
        raise UserError(f"{path}: is no text. Boxes come as MOT Challenge text, COCO JSON or CSV")
    if head[:1] in b"{[":
        return "coco"
    line = head.splitlines()[0].decode("utf-8", "replace")
    numbers = line.replace(",", " ").split()
    try:
        [float(one) for one in numbers]
    except ValueError:
        return "csv"
    if path.suffix.lower() == ".csv":  # without its header it looks like MOT, whose frames count from 1
        raise UserError(
            f"{path}: line 1: a table must begin with a header: frame, id, x, y, w, h and optionally score. Received: "
            f"{line[:80]!r}. If it is a MOT Challenge file, say --format mot"
        )
    return "mot-gt" if len(numbers) == 9 else "mot"
