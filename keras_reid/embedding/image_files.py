"""Image files from what a user names: files and folders."""

import os
import pathlib
from typing import NamedTuple

from keras_reid.data.datasets.files import NO_IMAGES, image_files
from keras_reid.utils.errors import UserError


def find_images(names):
    """Image files in the order given; a folder stands for all images below it, sorted by path.

    Args:
        names: files and folders. A file is taken whatever it is; in folders, what is an image by its suffix or its
            first bytes (`is_image`) is, except in hidden folders and hidden ones. Formats that cannot be decoded are
            taken too, so that such a file is named instead of passed over in silence.

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
    """An image file as it was at a moment. When it changes, so do its size or its time.

    Args:
        path: as it was named.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path, facts=None):
        """The file as it is now.

        Args:
            path: the file.
            facts: its `os.stat`, if it is known already.
        """
        facts = facts or os.stat(path)
        return cls(str(path), facts.st_size, facts.st_mtime_ns)


def displayed(path):
    """A path that can be printed: bytes of a file name that are no UTF-8 become "?"."""
    return os.fsencode(path).decode("utf-8", "replace").replace("\ufffd", "?")
