"""What lies in a folder of pictures."""

import dataclasses
import os
from pathlib import Path

from keras_reid.data.datasets.files import NO_IMAGES, image_files
from keras_reid.embedding.image_files import ImageFile
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Scan:
    """The images of a folder as they are now.

    Args:
        folder: the folder.
        images: `ImageFile`s, their paths relative to it, sorted.
        files: path → what identifies the file on this machine, whatever its name.
        missing: path → why it cannot be read, of names without a file, such as broken links.
    """

    folder: Path
    images: list
    files: dict
    missing: dict


def scan(folder):
    """Looks for the images of a folder and all its sub-folders, except hidden ones.

    Files whose suffix is not that of an image or a text are opened for their first bytes, no other is. Time: a look at
    each file, about a second for 100 000 on a local disk, and two more for 100 000 that must be opened.

    Args:
        folder: the folder.

    Returns:
        A `Scan`.

    Raises:
        UserError: there is no such folder, or no image in it.

    Example:
        >>> len(scan("album").images)  # doctest: +SKIP
        1200
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"--gallery must be a folder of images. Received: {folder}, which {what}.")
    images, files, missing = [], {}, {}
    for path in image_files(folder, recursive=True):
        try:
            facts = os.stat(folder / path)
        except OSError as error:
            missing[path] = error.strerror.lower()
            continue
        images.append(ImageFile.of(path, facts))
        files[path] = file_number(facts)
    if not images and not missing:
        raise UserError(f"{folder}: the folder holds no image: {NO_IMAGES}.")
    return Scan(folder, images, files, missing)


def file_number(facts):
    """What identifies a file on this machine, from its `os.stat`: links to it have the same."""
    return facts.st_dev, facts.st_ino
