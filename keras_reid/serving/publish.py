"""`python -m keras_reid.serving.publish EXPORT MODELS/NAME`: puts a SavedModel where servers look for it."""

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

    Servers look for folders MODELS/NAME/VERSION. The copy is made aside and renamed, so that no server sees half of
    it; a running one loads it within its polling interval. What is copied is compared with the hashes in the export's
    parity.json. Several at the same time each get a version of their own.
    """

    export: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="EXPORT")]
    """the folder with saved_model.pb that `python -m keras_reid.export` wrote: DIR/savedmodel/PRECISION"""
    model: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="MODELS/NAME")]
    """the model's folder; its last part is the name that clients use"""
    version: int | None = None
    """number of the version; by default the highest plus one"""
    allow_unchecked: bool = False
    """also publish an export by an earlier version of keras_reid, whose parity.json holds no hashes: what changed since
    it was verified would not be noticed"""


def main(arguments):
    options = command_line.parse(
        Publish,
        arguments,
        prog="python -m keras_reid.serving.publish",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    target = publish(options.export, options.model, options.version, options.allow_unchecked)
    megabytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    print(
        f"{target}: version {target.name} of {options.model.name}, {megabytes:.1f} MB, from {options.export}"
    )


def publish(export, model, version=None, allow_unchecked=False):
    """Copies an export to `model/VERSION` and returns that folder.

    Of several at the same time each gets a version of its own, in the order in which they are done; of several that
    name the same version one gets it.

    Args:
        export: folder of a SavedModel with its parity.json.
        model: the model's folder, which is made where it is missing.
        version: a number that is not taken; None is the highest plus one, at first 1.
        allow_unchecked: also take an export by an earlier version of keras_reid, whose parity.json holds no hashes.

    Raises:
        UserError: the export is none, was not verified, or has changed since; the name or the version cannot be.

    Example:
        >>> publish("exports/quickstart/savedmodel/float32", "models/reid").name  # doctest: +SKIP
        '1'
    """
    export, model = pathlib.Path(export), pathlib.Path(model)
    hashes = _check_export(export, allow_unchecked)
    if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z_][A-Za-z0-9_.-]*", model.name):
        raise UserError(
            "the model's folder must be named with letters, digits, '_', '-' and '.', at least one of them a letter: "
            f"clients ask for it by this name. Received: {model}"
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
                # It fails where a folder stands that holds something: who comes first has the number, on network file
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
            f"{model / str(version)}: this version is there, and servers may be using it. The next free one is "
            f"{max(taken) + 1}."
        )


def _check_export(export, allow_unchecked):
    """The hashes of its files, or None."""
    if not (export / _MARKER).is_file():
        inside = sorted(str(path.parent) for path in export.rglob(_MARKER)) if export.is_dir() else []
        hint = (
            f"Did you mean {' or '.join(inside[:3])}?"
            if inside
            else "python -m keras_reid.export writes one."
        )
        raise UserError(f"{export} must be a folder with {_MARKER}. {hint}")
    hashes = known_hashes(export)
    if hashes is None and not allow_unchecked:
        raise UserError(
            f"{export}: its parity.json is of an earlier version of keras_reid and holds no hashes, so whether the "
            "files are those that were verified cannot be told. Export it again, or add --allow-unchecked."
        )
    return hashes


if __name__ == "__main__":
    command_line.run(main)
