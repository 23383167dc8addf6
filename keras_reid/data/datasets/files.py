"""Finding the files of a data set, and saying well what is not there."""

import os
import re
import stat
from pathlib import Path

from keras_reid.data.image_kinds import HEAD, image_kind
from keras_reid.utils.errors import UserError

# Formats that the decoder refuses are listed too: it names such a file instead of passing over it in silence.
IMAGE_SUFFIXES = frozenset(
    (
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".png",
            ".bmp",
            ".gif",
            ".webp",
            ".tif",
            ".tiff",
            ".heic",
            ".heif",
        ),
        *(".avif", ".jxl", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
# Often there is one beside every image, so that they are not opened.
_TEXT_SUFFIXES = frozenset(
    (".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html")
)


def is_image(folder, name):
    """Whether a file counts as an image, whether or not it can be decoded: by its suffix, or else by its first bytes.

    A file with the suffix of an image format (in upper or lower case) is not opened, nor is one with that of a text.
    Of any other the first bytes are read, about 20 µs on a local disk. Hidden files do not count.

    Args:
        folder: where the file lies.
        name: of the file.
    """
    suffix = os.path.splitext(name)[1].lower()
    if name.startswith(".") or suffix in _TEXT_SUFFIXES:
        return False
    return suffix in IMAGE_SUFFIXES or image_kind(_head(os.path.join(folder, name))) is not None


def image_files(folder, recursive=False):
    """Paths of the images in a folder, relative to it, with "/" between folders, sorted; none if there is none.

    Args:
        folder: where to look; see `is_image` for what counts.
        recursive: also look in its sub-folders, except hidden ones; links are followed, but no folder is
            entered twice.
    """
    folder, found, seen = os.fspath(folder), [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        within = os.path.relpath(place, folder)
        found += [os.path.normpath(os.path.join(within, name)) for name in names if is_image(place, name)]
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
    return sorted(path.replace(os.sep, "/") for path in found)


def list_images(folder, recursive=False):
    """As `image_files`; a `UserError` if there is no image."""
    found = image_files(folder, recursive)
    if not found:
        raise UserError(f"no images in {folder}: {NO_IMAGES}")
    return found


NO_IMAGES = "no file there is an image, such as a JPEG, PNG or BMP, by its suffix or by its content"


def _head(path):
    """The first bytes of a file; none of what is no file, or cannot be opened."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its writer
            return b""
        with open(path, "rb", buffering=0) as stream:
            return stream.read(HEAD)
    except OSError:
        return b""


def existing_folder(folder, purpose):
    """The folder as a `Path`; a `UserError` that says what it is for if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}; {purpose}")
    return folder


def find_folder(root, title, directories, marker, layout):
    """The folder of a data set.

    Args:
        root: folder that holds one of `directories`, or that is itself the data set.
        title: what the set is called, for errors.
        directories: names of the folder as it is distributed; the first that exists is taken.
        marker: what a root that is itself the data set holds.
        layout: how the set is laid out, for errors; see `laid_out`.

    Raises:
        UserError: if there is no root, or no data set in it.
    """
    root = existing_folder(root, layout)
    for directory in directories:
        if (root / directory).is_dir():
            return root / directory
    if (root / marker).exists():
        return root
    looked_for = ", ".join(str(root / name) for name in (*directories, marker))
    raise UserError(f"{title} is not in {root}: none of {looked_for} exists; {layout}")


def laid_out(title, layout):
    """The half sentence that ends the errors of `find_folder` and its like."""
    return f"{title} is laid out as {layout} (it has to be put there, nothing is downloaded)"


def match_names(pattern, names):
    """Matches of a pattern with the beginnings of file names, None where a name does not fit.

    A beginning ends before a "_" or ".", so that no number is cut short: `c1` does not fit `c12_…`.
    """
    pattern = re.compile(rf"(?:{pattern})[_.][^/]*")
    return [pattern.fullmatch(name) for name in names]


def read_list(file, pattern, form, layout):
    """Matches of a pattern with the lines of a text file; empty lines are passed over.

    Args:
        file: text file of the data set.
        pattern: regular expression for a whole line without the blanks around it.
        form: how a line looks, for errors.
        layout: how the set is laid out, for errors.

    Raises:
        UserError: if the file is missing or empty, or a line does not fit: how many, and the first.
    """
    file, pattern = Path(file), re.compile(pattern)
    if not file.is_file():
        raise UserError(f"{file} does not exist; {layout}")
    lines = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    lines = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not lines:
        raise UserError(f"{file} has no lines; each must read {form}")
    matches = [pattern.fullmatch(line) for _, line in lines]
    misfits = [line for line, match in zip(lines, matches, strict=True) if match is None]
    if misfits:
        number, line = misfits[0]
        raise UserError(
            f"{len(misfits)} of {len(lines)} lines of {file} do not fit, the first is line {number}, {line!r}; "
            f"each must read {form}"
        )
    return matches
