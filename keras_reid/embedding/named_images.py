"""The image files that a user's names stand for: files and folders."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from keras_reid.data.image_files import NO_IMAGES, image_files
from keras_reid.utils.errors import UserError


def find_images(names: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Image files in the order given; a folder stands for all images below it, sorted by path.

    Args:
        names: files and folders. A named file is taken whatever it is. From folders come the files that are images by
            their suffix or their first bytes (`is_image`), except hidden ones and those in hidden folders. Formats that
            cannot be decoded come too, so that an error names such a file instead of skipping it silently.

    Returns:
        list of str.

    Raises:
        UserError: a name does not exist, or a folder holds no image.

    Example:
        >>> find_images(["query.jpg", "gallery"])  # doctest: +SKIP
        ['query.jpg', 'gallery/0001.jpg', 'gallery/0002.jpg']
    """
    found = []
    for name in names:
        path = pathlib.Path(name)
        if path.is_dir():
            images = image_files(path, recursive=True)
            if not images:
                raise UserError(f"{path}: the folder holds no image: {NO_IMAGES}.")
            found.extend(str(path / image) for image in images)
        elif path.is_file():
            found.append(str(path))
        else:
            raise UserError(f"{path}: there is no such file or folder.")
    return found


class ImageFile(NamedTuple):
    """An image file as it was at one moment. When it changes, its size or its time changes too.

    Args:
        path: as it was named.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: str | os.PathLike[str], status: os.stat_result | None = None) -> ImageFile:
        """The file as it is now.

        Args:
            path: the file.
            status: its `os.stat`, if it is known already.
        """
        status = status or os.stat(path)
        return cls(str(path), status.st_size, status.st_mtime_ns)


def displayed(path: str | os.PathLike[str]) -> str:
    """A path that can be printed: bytes of its name that are not UTF-8 become "?"."""
    return os.fsencode(path).decode("utf-8", "replace").replace("\ufffd", "?")
