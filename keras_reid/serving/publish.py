"""`keras-reid publish EXPORT MODELS/NAME`: publishes a SavedModel for servers."""

import dataclasses
import os
import pathlib
import re
from typing import Annotated

import tyro

from keras_reid.export.hashes import copy_checked, known_hashes
from keras_reid.export.placing import OCCUPIED, made_aside
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import to_disk

_MARKER = "saved_model.pb"


@dataclasses.dataclass(frozen=True)
class Publish:
    """Copy a verified SavedModel into a model's folder, as a new version.

    Servers look for folders MODELS/NAME/VERSION. The copy gets a temporary name and is then renamed, so that no server
    sees half of it; a running server loads it within its polling interval. The copied files are checked against the
    hashes in the export's parity.json. If several commands publish at the same time, each gets its own version.
    """

    export: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="EXPORT")]
    """the folder with saved_model.pb from `keras-reid export`: DIR/savedmodel/PRECISION"""
    model: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="MODELS/NAME")]
    """the model's folder; its last part is the name that clients use"""
    version: int | None = None
    """version number; by default the highest one plus one"""
    allow_unchecked: bool = False
    """also publish an export by an earlier version of keras_reid, whose parity.json has no hashes: changes since it was
    verified would go unnoticed"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Publish,
        arguments,
        prog="keras-reid publish",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    target = publish(options.export, options.model, options.version, options.allow_unchecked)
    megabytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    print(
        f"{target}: version {target.name} of {options.model.name}, {megabytes:.1f} MB, from {options.export}"
    )


def publish(
    export: str | os.PathLike[str],
    model: str | os.PathLike[str],
    version: int | None = None,
    allow_unchecked: bool = False,
) -> pathlib.Path:
    """Copies an export to `model/VERSION` and returns that folder.

    If several calls run at the same time, each gets its own version, in the order in which they finish. If several name
    the same version, only one gets it.

    Args:
        export: folder of a SavedModel with its parity.json.
        model: the model's folder, which is created if it is missing.
        version: a free version number; None: the highest one plus one, starting with 1.
        allow_unchecked: also accept an export by an earlier version of keras_reid, whose parity.json has no hashes.

    Raises:
        UserError: `export` is not an export, was not verified, or has changed since; or the name or version is invalid.

    Example:
        >>> publish("exports/quickstart/savedmodel/float32", "models/reid").name  # doctest: +SKIP
        '1'
    """
    export, model = pathlib.Path(export), pathlib.Path(model)
    hashes = _check_export(export, allow_unchecked)
    if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z_][A-Za-z0-9_.-]*", model.name):
        raise UserError(
            "the name of the model's folder may contain letters, digits, '_', '-' and '.', and needs at least one "
            f"letter: clients use this name. Received: {model}"
        )
    if version is not None and version < 1:
        raise UserError(f"--version must be at least 1. Received: {version}")
    _refuse_taken(model, version)
    with made_aside(model / "version") as aside:
        copy_checked(export, aside / "new", hashes)
        to_disk(aside / "new")
        while True:
            target = model / str(version or max(_taken(model), default=0) + 1)
            _refuse_taken(model, version)
            try:
                # This fails if the folder exists with content, so the first process gets the number, on network file
                # systems too.
                os.rename(aside / "new", target)
                return target
            except OSError as error:
                if error.errno not in OCCUPIED:
                    raise


def _taken(model):
    return {int(path.name) for path in model.glob("*") if path.name.isascii() and path.name.isdigit()}


def _refuse_taken(model, version):
    taken = _taken(model)
    if version in taken:
        raise UserError(
            f"{model / str(version)}: this version already exists, and servers may be using it. The next free one is "
            f"{max(taken) + 1}."
        )


def _check_export(export, allow_unchecked):
    """Checks an export; returns the hashes of its files, or None if it has none."""
    if not (export / _MARKER).is_file():
        inside = sorted(str(path.parent) for path in export.rglob(_MARKER)) if export.is_dir() else []
        hint = f"Did you mean {' or '.join(inside[:3])}?" if inside else "keras-reid export writes one."
        raise UserError(f"{export} must be a folder with {_MARKER}. {hint}")
    hashes = known_hashes(export)
    if hashes is None and not allow_unchecked:
        raise UserError(
            f"{export}: its parity.json is from an earlier version of keras_reid and has no hashes, so changes "
            "to its files since they were verified would go unnoticed. Export it again, or add --allow-unchecked."
        )
    return hashes


if __name__ == "__main__":
    command_line.run(main)
