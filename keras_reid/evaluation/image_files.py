"""Image files from what a user names: files and folders."""

import pathlib

from keras_reid.data.datasets.files import image_files
from keras_reid.errors import UserError


def find_images(names):
    """Image files in the order given; a folder stands for all images below it, sorted by path.

    Args:
        names: files and folders. A file is taken whatever its name; in folders, files with the suffix of an image
            format (upper or lower case) are, except in hidden folders and hidden ones. Formats that cannot be decoded
            are taken too, so that such a file is named instead of passed over in silence.

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
                raise UserError(
                    f"{path}: the folder holds no image. Images are files that end in .jpg, .jpeg, .png or .bmp."
                )
            found.extend(str(path / image) for image in images)
        elif path.is_file():
            found.append(str(path))
        else:
            raise UserError(f"{path}: there is no such file or folder.")
    return found
