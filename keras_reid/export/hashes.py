"""Hashes that show whether an artefact has changed since it was verified."""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, sha256_of, write_json

PARITY = "parity.json"
_AT_ONCE = 2**20  # bytes


def file_hashes(folder: str | os.PathLike[str]) -> dict[str, str]:
    """SHA-256 of every file in a folder except `parity.json`, which stores them. Time: reading the files.

    Args:
        folder: the folder of an artefact.

    Returns:
        dict: path with "/", relative to the folder → 64 hexadecimal digits.

    Example:
        >>> file_hashes("exports/onnx/float32")  # doctest: +SKIP
        {'model.onnx': '9f86d081…'}
    """
    return {name: sha256_of(path) for name, path in _files(folder)}


def known_hashes(folder: str | os.PathLike[str]) -> dict[str, str] | None:
    """The hashes in an artefact's `parity.json`; None if it was exported before hashes were recorded.

    Raises:
        UserError: `parity.json` is missing or damaged, or says that the artefact was not verified.
    """
    try:
        parity = json.loads((pathlib.Path(folder) / PARITY).read_text(encoding="utf-8"))
        verified, hashes = parity["verified"] is True, parity.get("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        verified, hashes = False, None
    if hashes is not None and not (
        isinstance(hashes, dict) and hashes and all(isinstance(digest, str) for digest in hashes.values())
    ):
        verified = False
    if not verified:
        raise UserError(
            f"{folder}: its {PARITY} does not say that the artefact was verified against its model. "
            "Export it with keras-reid export, which verifies it."
        )
    return hashes


def note_model(folder: str | os.PathLike[str], fingerprint: str) -> None:
    """Adds to an artefact's `parity.json` which model it was made of.

    Args:
        folder: the folder of an artefact.
        fingerprint: of `keras_reid.utils.model_file.fingerprint`.
    """
    file = pathlib.Path(folder) / PARITY
    write_json(file, {**read_json(file), "model": fingerprint})


def check_names(folder: str | os.PathLike[str], hashes: Mapping[str, str]) -> None:
    """Checks that an artefact has exactly the files that were verified.

    Raises:
        UserError: a file is missing or was added; the error names it.
    """
    present = {name for name, _ in _files(folder)}
    if missing := sorted(hashes.keys() - present):
        raise UserError(f"{pathlib.Path(folder) / missing[0]} is missing. {_AGAIN}")
    if added := sorted(present - hashes.keys()):
        raise UserError(
            f"{pathlib.Path(folder) / added[0]} was not there when the artefact was verified: remove it. {_AGAIN}"
        )


def copy_checked(
    source: str | os.PathLike[str], target: str | os.PathLike[str], hashes: Mapping[str, str] | None
) -> None:
    """Copies an artefact and checks the copied bytes against the hashes. Time: one copy.

    Args:
        source: folder of the artefact.
        target: folder to copy to.
        hashes: from `known_hashes`; None copies without a check.

    Raises:
        UserError: a file is missing, was added, or has changed.
        OSError: a file cannot be read or written.
    """
    source, target = pathlib.Path(source), pathlib.Path(target)
    if hashes is not None:
        check_names(source, hashes)
    for name, path in (*_files(source), (PARITY, source / PARITY)):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with open(path, "rb") as old, open(place, "xb") as new:
            while chunk := old.read(_AT_ONCE):
                digest.update(chunk)
                new.write(chunk)
        if hashes is not None and name != PARITY and digest.hexdigest() != hashes[name]:
            raise UserError(
                f"{path} has changed since the artefact was verified: its SHA-256 begins with "
                f"{digest.hexdigest()[:8]}, and {PARITY} has {hashes[name][:8]}. {_AGAIN}"
            )


_AGAIN = "Export it again with keras-reid export"


def _files(folder):
    """Name and path of each file of an artefact, sorted."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            found.append((pathlib.Path(os.path.relpath(path, folder)).as_posix(), path))
    return sorted(one for one in found if one[0] != PARITY)
