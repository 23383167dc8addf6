"""Which files are images, by their names and first bytes, and those of a folder."""

from __future__ import annotations

import os
import re
import stat

from keras_reid.utils.errors import UserError

NO_IMAGES = "no file there is an image, such as a JPEG, PNG or BMP, by its suffix or by its content"

# Formats that the decoder refuses are listed too: it names such a file instead of passing over it in silence.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic", ".heif"}
    | {".avif", ".jxl", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm"}
)
# Often there is such a file with every image, so they are not opened.
_TEXT_SUFFIXES = frozenset(
    {".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html"}
)
HEAD = 32  # bytes of a file that tell what it is

_KINDS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    # Two reserved words of zero, and a header of a length that exists: a text may begin with "BM".
    "BMP": rb"BM.{4}\x00{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00{3}",
    "GIF": rb"GIF8[79]a",
    "WebP": rb"RIFF.{4}WEBP",
    "TIFF": rb"II\*\x00|MM\x00\*",  # also most cameras' raw files
    "HEIC or AVIF": rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1|avi[fs])",  # not the films that begin alike
    "JPEG XL": rb"\xff\n|\x00{3}\x0cJXL \r\n",
    "JPEG 2000": rb"\x00{3}\x0cjP  \r\n|\xff\x4f\xff\x51",
    "PPM, PGM or PBM": rb"P[1-6]\s+[#\d]",
}
_PATTERNS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _KINDS.items()}


def is_image(folder: str | os.PathLike[str], name: str) -> bool:
    """Whether a file counts as an image: by its suffix, or else by its first bytes. It need not be decodable.

    A file is not opened if it has the suffix of an image format or of a text, in upper or lower case. Of any other
    file the first bytes are read, which takes about 20 µs on a local disk. Hidden files do not count.

    Args:
        folder: where the file lies.
        name: of the file.
    """
    suffix = os.path.splitext(name)[1].lower()
    if name.startswith(".") or suffix in _TEXT_SUFFIXES:
        return False
    return suffix in IMAGE_SUFFIXES or image_kind(_head(os.path.join(folder, name))) is not None


def image_files(folder: str | os.PathLike[str], recursive: bool = False) -> list[str]:
    """Paths of the images in a folder, relative to it, with "/" between folders, sorted; empty if there is no image.

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


def list_images(folder: str | os.PathLike[str], recursive: bool = False) -> list[str]:
    """As `image_files`; a `UserError` if there is no image."""
    found = image_files(folder, recursive)
    if not found:
        raise UserError(f"no images in {folder}: {NO_IMAGES}")
    return found


def image_kind(head: bytes) -> str | None:
    """The kind of image that begins with some bytes; None for anything else.

    Args:
        head: the first `HEAD` bytes of a file, or all of a shorter one.

    Example:
        >>> image_kind(b"GIF89a and so on"), image_kind(b"hello")
        ('GIF', None)
    """
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(head)), None)


def _head(path):
    """The first bytes of a file; empty for a path that is not a file or cannot be opened."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its writer
            return b""
        with open(path, "rb", buffering=0) as stream:
            return stream.read(HEAD)
    except OSError:
        return b""
