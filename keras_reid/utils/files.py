"""Files and folders that are complete or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import writing

if TYPE_CHECKING:
    from PIL import Image

_MOST_BYTES = (
    2**26
)  # of a JSON file; the largest in a run, the metrics of 10 000 evaluations, has a tenth of this
_MOST_LEVELS = 100  # nested lists and objects; an experiment or a model's configuration has about 30
_LONGEST = (
    40  # characters of a file name kept in the temporary name, because file names are limited to 255 bytes
)


@contextlib.contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path next to `path`, renamed to `path` if the block succeeds and removed otherwise.

    An earlier file at `path` stays until then, whatever happens. The temporary file is created empty, with a name that
    nobody can guess: in a shared folder, nobody can put a link in its place beforehand.

    Raises:
        OSError: names `path`. A full disk raises it even if a library reports it in another way.

    Example:
        >>> with written_aside("metrics.json") as aside:
        ...     aside.write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keep the suffix, because libraries choose the format by it.
    aside = path.with_name(f".{path.stem[:_LONGEST]}.part{secrets.token_hex(8)}{path.suffix}")
    try:
        with writing(path):
            # Not with `tempfile`, whose files only their owner can read: this one gets the usual permissions.
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
            yield aside
            with open(aside, "rb") as file:
                os.fsync(file.fileno())
            os.replace(aside, path)
    except OSError as error:
        if error.filename == os.fspath(aside):
            error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Writes indented JSON, completely or not at all."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str], most_bytes: int = _MOST_BYTES) -> Any:
    """Reads a JSON file that may come from anybody, with limits on size and depth.

    Raises:
        UserError: the file is not JSON, or is too large or too deep.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return parse_json(file.read(most_bytes + 1), path, most_bytes)


def parse_json(content: bytes, name: Any, most_bytes: int = _MOST_BYTES) -> Any:
    """Parses JSON bytes, with the limits of `read_json`.

    Args:
        content: bytes; reading `most_bytes + 1` of them is enough.
        name: where they come from, for the error.
        most_bytes: largest number of bytes.

    Raises:
        UserError: the content is not JSON, or is too large or too deep.

    Example:
        >>> parse_json(b'{"a": [1]}', "a.json")
        {'a': [1]}
    """
    if len(content) > most_bytes:
        raise UserError(f"{name}: must be JSON with at most {most_bytes:,} bytes. Received: more.")
    too_deep = f"{name}: must be JSON with at most {_MOST_LEVELS} nested levels. Received: more."
    try:
        value = json.loads(content)
    except RecursionError:
        raise UserError(too_deep) from None
    except ValueError as error:  # also for invalid encodings
        raise UserError(f"{name}: is damaged, because it is not valid JSON: {error}.") from error
    level = [value]
    for _ in range(_MOST_LEVELS + 1):
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return value
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    raise UserError(too_deep)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encoded(picture: Image.Image, suffix: str, **options: Any) -> bytes:
    """Encodes a `PIL.Image` as a file with the given suffix; `options` are those of `Image.save`.

    When Pillow writes to a file on a full disk, it leaves half a JPEG without an error.
    """
    from PIL import Image

    content = io.BytesIO()
    picture.save(content, Image.registered_extensions()[suffix.lower()], **options)
    return content.getvalue()


def save_picture(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Saves a `PIL.Image` in the format of the file's suffix, completely or not at all."""
    content = encoded(picture, Path(path).suffix)
    with written_aside(path) as aside:
        aside.write_bytes(content)


@contextlib.contextmanager
def folder_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a new private folder next to `path`, in which to make something that is then renamed to `path`.

    The folder is removed at the end, and so are parent folders that were created on the way, if they are empty.

    Raises:
        OSError: the folder cannot be created.

    Example:
        >>> with folder_beside("exports/float32") as folder:  # doctest: +SKIP
        ...     export_savedmodel(model, folder / "new")
        ...     os.rename(folder / "new", "exports/float32")
    """
    path = Path(path)
    missing = [folder for folder in path.parents if not folder.exists()]
    folder = None
    try:
        with writing(path):
            folder = _new_folder(path)
            yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for one in missing:  # innermost first; one that has content by now stays
            with contextlib.suppress(OSError):
                one.rmdir()


def _new_folder(path, tries=10):
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return Path(tempfile.mkdtemp(prefix=f".{path.name[:_LONGEST]}.", dir=path.parent))
        except FileNotFoundError:  # another process failed and removed the parent folder
            tries -= 1
            if not tries:
                raise


def to_disk(folder: str | os.PathLike[str]) -> None:
    """Waits until all files in a folder, and their names, are on disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in (*(os.path.join(place, name) for name in names), place):
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
