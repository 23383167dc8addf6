"""`SHA256SUMS`: the hashes of the files in a folder, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import os
import re
from pathlib import Path

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import sha256_of

MANIFEST = "SHA256SUMS"
_MOST_BYTES = 2**20
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write_manifest(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Writes `SHA256SUMS` of all files in a folder and its sub-folders; returns `{name: SHA-256}`.

    Time: reading the files.

    Args:
        folder: the folder.

    Example:
        >>> write_manifest("shared")  # doctest: +SKIP
        {'README.md': '9f86d081…', 'model.keras': '60303ae2…'}
    """
    folder = Path(folder)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    hashes = {name: sha256_of(folder / name) for name in names if name != MANIFEST}
    lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    (folder / MANIFEST).write_text(lines, encoding="utf-8")
    return hashes


def read_manifest(file: str | os.PathLike[str]) -> dict[str, str]:
    """`{name: SHA-256}` of a `SHA256SUMS`.

    Args:
        file: its path.

    Raises:
        UserError: it is damaged, too large, or names a file outside its folder.
    """
    with open(file, "rb") as source:
        content = source.read(_MOST_BYTES + 1)
    hashes = {}
    for line in content.decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line)
        if not found or len(content) > _MOST_BYTES or not _is_inside(found[2]):
            raise UserError(
                f"{file}: must hold a line `SHA-256  NAME` for each file, at most {_MOST_BYTES:,} bytes. "
                f"Received: {line[:80]!a}. Fetch the folder again"
            )
        hashes[found[2]] = found[1]
    return hashes


def check_listed(file: str | os.PathLike[str]) -> None:
    """Checks a file against the `SHA256SUMS` in its folder; without one, or if that does not name it, does nothing.

    Time: reading the file.

    Args:
        file: its path.

    Raises:
        UserError: the file has changed.
    """
    file = Path(file)
    manifest = file.parent / MANIFEST
    if manifest.is_file():
        check_hash(file, read_manifest(manifest).get(file.name))


def check_folder(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Checks every file that a folder's `SHA256SUMS` names; returns `{name: SHA-256}`.

    Args:
        folder: a folder with a `SHA256SUMS`.

    Raises:
        UserError: a file is missing or has changed, or the manifest is missing or damaged.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder}: contains no {MANIFEST}. `keras-reid push RUN FOLDER` writes one")
    hashes = read_manifest(folder / MANIFEST)
    for name, digest in hashes.items():
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, and {MANIFEST} names it. Fetch the folder again")
        check_hash(folder / name, digest)
    return hashes


def check_hash(file: Path, expected: str | None) -> None:
    """Checks a file against its SHA-256; None is not checked.

    Raises:
        UserError: the file has changed.
    """
    if expected is not None and (received := sha256_of(file)) != expected:
        raise UserError(
            f"{file} has changed since it was shared: its SHA-256 begins with {received[:8]}, and {MANIFEST} has "
            f"{expected[:8]}. Fetch it again; if you changed it yourself, remove {MANIFEST} beside it"
        )


def _is_inside(name):
    return (
        name.isprintable() and not name.startswith("/") and ".." not in name.split("/") and "\\" not in name
    )
