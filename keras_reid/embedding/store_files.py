"""Reads the files of an `EmbeddingStore` without trusting them: they may be damaged, or somebody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_reid.embedding.named_images import ImageFile
from keras_reid.utils.plain_files import open_plain

VERSION = 1
_ROWS = 4096  # looked through at a time


class Damaged(Exception):
    """A file does not hold what it should; the message names it."""


def read_description(file: Path) -> dict[str, Any]:
    """The content of `store.json`: `generation`, `kind` and `about`.

    Raises:
        Damaged: its form is wrong.
        FileNotFoundError: the file does not exist.
        UserError: it is a link.
    """
    with open_plain(file) as stream:
        content = stream.read()
    try:
        stored = json.loads(content)
        generation, stored["kind"], stored["about"] = (
            stored["generation"],
            dict(stored["kind"]),
            dict(stored["about"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Damaged(f"is damaged ({file.name})") from None
    if not isinstance(generation, int) or not 0 <= generation < 2**63:
        raise Damaged(f"is damaged ({file.name})")
    if stored.get("version", VERSION) != VERSION:  # stores without a version are of the first form
        raise Damaged("was made by another version of keras_reid")
    return stored


def read_images(file: Path) -> tuple[list[ImageFile], int]:
    """The `ImageFile` of each line of `images-N.jsonl`, and the bytes these lines take. A torn last line is ignored.

    Raises:
        Damaged: the form of a line is wrong, or a line is there twice.
    """
    with open_plain(file) as stream:
        whole, _, _ = stream.read().rpartition(b"\n")
    images = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            image = ImageFile(*json.loads(line))
        except (ValueError, TypeError, RecursionError):
            image = None
        if image is None or tuple(map(type, image)) != (str, int, int):
            raise Damaged(f"is damaged ({file.name}, line {number})")
        images.append(image)
    if len(set(images)) < len(images):
        raise Damaged(f"is damaged ({file.name} names an image twice)")
    return images, len(whole) + 1 if whole else 0


def read_form(file: Path, count: int) -> tuple[int, int]:
    """Length of a row of `embeddings-N.npy`, and where the first row begins in the file.

    Checks every number. Time: that of reading the file, which a search does anyway; a second for two million rows of
    512 numbers in memory.

    Args:
        file: the path.
        count: the least number of rows it must hold.

    Raises:
        Damaged: it holds fewer rows, its form is wrong, or one of these rows holds NaN or infinity.
    """
    try:
        stream = open_plain(file)
    except FileNotFoundError:
        raise Damaged(f"is damaged ({file.name} is missing)") from None
    with stream:
        try:
            version = np.lib.format.read_magic(stream)
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise Damaged(f"is damaged ({file.name})") from None
        start = stream.tell()
        if version != (1, 0) or by_columns or dtype != np.dtype("<f4") or len(shape) != 2 or shape[1] < 1:
            held = f"{dtype} {tuple(shape)}{', by columns' if by_columns else ''}"
            raise Damaged(f"is damaged ({file.name} must hold rows of float32; it holds {held})")
        if stream.seek(0, 2) < start + 4 * shape[1] * count:
            raise Damaged(f"is damaged ({file.name} has fewer rows than there are images)")
        rows = np.memmap(stream, "<f4", "r", offset=start, shape=(count, shape[1]))
    for first in range(0, count, _ROWS):
        block = rows[first : first + _ROWS]
        if not np.isfinite(block).all():
            row = first + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise Damaged(f"is damaged ({file.name}, row {row} holds NaN or infinity)")
    return shape[1], start
