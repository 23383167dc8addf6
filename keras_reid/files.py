"""Files that are whole or not there."""

import contextlib
import json
import os
from pathlib import Path


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
