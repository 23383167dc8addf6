"""Finding image files, and the layout that Market-1501 began and others took over."""

import os
import re
from pathlib import Path

from keras_reid.data.sample import Sample
from keras_reid.errors import UserError

# Formats that the decoder refuses are listed too: it names such a file instead of passing over it in silence.
IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic", ".avif", ".jxl")
)


def is_image(name):
    """Whether a file counts as an image: by its suffix, in upper or lower case, and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def list_images(folder, recursive=False):
    """Paths of the images in a folder, relative to it, with "/" between folders, sorted.

    Args:
        folder: where to look.
        recursive: also look in its sub-folders; links are followed, but no folder is entered twice.

    Raises:
        UserError: if there is no image.
    """
    folder, found, seen = os.fspath(folder), [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        within = os.path.relpath(place, folder)
        found += [os.path.normpath(os.path.join(within, name)) for name in names if is_image(name)]
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
    if not found:
        raise UserError(f"no images in {folder}: no file there ends in .jpg, .jpeg, .png or .bmp")
    return sorted(path.replace(os.sep, "/") for path in found)


def existing_folder(folder, purpose):
    """The folder as a `Path`; a `UserError` that says what it is for if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}; {purpose}")
    return folder


def read_benchmark(root, name, directory, identities, cameras):
    """Reads the layout `directory/{bounding_box_train,query,bounding_box_test}/IDENTITY_cCAMERA….jpg`.

    Args:
        root: folder that holds `directory`, or that is itself the data set.
        name: of the data set, for errors.
        directory: name of the folder as it is distributed.
        identities: `(lowest, highest)` identity that may occur; −1 is left out as junk.
        cameras: number of cameras; they count from 1 in the file names and from 0 in the samples.

    Returns:
        three lists of samples: train, query, gallery.
    """
    layout = f"{name} is laid out as {directory}/bounding_box_train, query and bounding_box_test"
    folder = existing_folder(root, layout)
    folder = folder / directory if (folder / directory).is_dir() else folder
    return tuple(
        read_named(existing_folder(folder / part, layout), name, identities, cameras)
        for part in ("bounding_box_train", "query", "bounding_box_test")
    )


def read_named(folder, name, identities, cameras):
    """Samples of one folder of files named IDENTITY_cCAMERA…; see `read_benchmark`."""
    lowest, highest = identities
    samples = []
    for file in list_images(folder):
        match = re.match(r"(-?\d+)_c(\d)", file)
        if match is None:
            raise UserError(
                f"{folder / file}: {name} names its images IDENTITY_cCAMERA…, such as 0002_c1s1_000451_03.jpg"
            )
        identity, camera = int(match[1]), int(match[2])
        if identity == -1:
            continue
        if not (lowest <= identity <= highest and 1 <= camera <= cameras):
            raise UserError(
                f"{folder / file}: identity {identity}, camera {camera}; {name} has identities {lowest} to "
                f"{highest} and cameras 1 to {cameras}"
            )
        samples.append(Sample(folder / file, identity, camera - 1))
    return samples
