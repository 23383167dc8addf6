"""Files and folders that are whole or not there."""

import contextlib
import io
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import writing

_MOST_BYTES = 2**26  # of a JSON file; the largest of a run, the metrics of 10 000 evaluations, has a tenth
_MOST_LEVELS = 100  # lists and objects in one another; an experiment or a model's configuration has about 30
_LONGEST = 40  # characters of a file's name that are kept in that of the one aside: 255 bytes is the limit


@contextlib.contextmanager
def written_aside(path):
    """Yields a path beside `path` to write to; it is renamed to `path` when the block ends well, and removed otherwise.

    What stood at `path` before stays until then, whatever happens. The file is there, empty, and its name cannot be
    guessed: in a folder that others may write to, nobody can put a link in its place beforehand.

    Raises:
        OSError: with the name of `path`; of a full disk also where a library says it otherwise.

    Example:
        >>> with written_aside("metrics.json") as aside:
        ...     aside.write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept because libraries choose the format by it.
    aside = path.with_name(f".{path.stem[:_LONGEST]}.part{secrets.token_hex(8)}{path.suffix}")
    try:
        with writing(path):
            # Not by `tempfile`, whose files are their owner's alone: this one gets the rights of any new file.
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


def write_json(path, content):
    """Writes JSON, indented, all or nothing."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path, most_bytes=_MOST_BYTES):
    """The content of a JSON file that may be anybody's: of bounded size and depth.

    Raises:
        UserError: it is no JSON, too large or too deep.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return parse_json(file.read(most_bytes + 1), path, most_bytes)


def parse_json(content, name, most_bytes=_MOST_BYTES):
    """The value of JSON bytes, with the limits of `read_json`.

    Args:
        content: bytes; more than `most_bytes` need not be read.
        name: what they are of, for the error.
        most_bytes: how many there may be.

    Raises:
        UserError: it is no JSON, too large or too deep.

    Example:
        >>> parse_json(b'{"a": [1]}', "a.json")
        {'a': [1]}
    """
    if len(content) > most_bytes:
        raise UserError(f"{name}: must be JSON of at most {most_bytes:,} bytes. Received: more.")
    too_deep = f"{name}: must be JSON of at most {_MOST_LEVELS} levels in one another. Received: more."
    try:
        value = json.loads(content)
    except RecursionError:
        raise UserError(too_deep) from None
    except ValueError as error:  # also of an encoding that is none
        raise UserError(f"{name}: is damaged, for it is no JSON: {error}.") from error
    level = [value]
    for _ in range(_MOST_LEVELS + 1):
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return value
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    raise UserError(too_deep)


def encoded(picture, suffix, **options):
    """The bytes of a `PIL.Image` as a file with that suffix; `options` as of its `save`.

    Pillow's own writing to a file leaves half a JPEG on a full disk, and says nothing.
    """
    from PIL import Image

    content = io.BytesIO()
    picture.save(content, Image.registered_extensions()[suffix.lower()], **options)
    return content.getvalue()


def save_picture(picture, path):
    """Saves a `PIL.Image` in the format of the file's suffix, all or nothing."""
    content = encoded(picture, Path(path).suffix)
    with written_aside(path) as aside:
        aside.write_bytes(content)


@contextlib.contextmanager
def folder_beside(path):
    """Yields a new folder beside `path`, ours alone, to make something in that is then renamed to `path`.

    It is removed at the end, and so are the folders that were made on the way to it, if nothing is in them.

    Raises:
        OSError: it cannot be made.

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
        for one in missing:  # the innermost first; one that holds something now stays
            with contextlib.suppress(OSError):
                one.rmdir()


def _new_folder(path, tries=10):
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return Path(tempfile.mkdtemp(prefix=f".{path.name[:_LONGEST]}.", dir=path.parent))
        except FileNotFoundError:  # another process that failed has taken back the folder on the way
            tries -= 1
            if not tries:
                raise


def to_disk(folder):
    """Waits until all files of a folder, and their names, are on the disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in (*(os.path.join(place, name) for name in names), place):
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
