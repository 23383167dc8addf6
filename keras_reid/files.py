"""Files that are whole or not there."""

import contextlib
import json
import os
from pathlib import Path

from keras_reid.errors import UserError

_MOST_BYTES = 2**26  # of a JSON file; the largest of a run, the metrics of 10 000 evaluations, has a tenth
_MOST_LEVELS = 100  # lists and objects in one another; an experiment or a model's configuration has about 30


@contextlib.contextmanager
def written_aside(path):
    """Yields a path beside `path` to write to; it is renamed to `path` when the block ends well, and removed otherwise.

    What stood at `path` before stays until then, whatever happens.

    Example:
        >>> with written_aside("metrics.json") as aside:
        ...     aside.write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept because libraries choose the format by it.
    aside = path.with_name(f".{path.stem}.part{os.getpid()}{path.suffix}")
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
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
