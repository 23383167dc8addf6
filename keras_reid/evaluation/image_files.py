"""Image files from what a user names: files and folders."""

import pathlib

from keras_reid.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def find_images(names):
    """Image files in the order given; a folder stands for all images below it, sorted by path.

    Args:
        names: files and folders. A file is taken whatever its name; in folders, files ending in .jpg, .jpeg,
            .png or .bmp (upper or lower case) are, except hidden ones.

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
            images = sorted(file for file in path.rglob("*") if _is_image(file))
            if not images:
                raise UserError(
                    f"{path}: the folder holds no image. Images are files that end in {', '.join(SUFFIXES)}."
                )
            found.extend(map(str, images))
        elif path.is_file():
            found.append(str(path))
        else:
            raise UserError(f"{path}: there is no such file or folder.")
    return found


def _is_image(file):
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
