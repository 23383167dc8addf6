"""`python -m serving.publish EXPORT MODELS/NAME`: an exported SavedModel as the next version of a served model."""

import dataclasses
import json
import pathlib
import re
import shutil
from typing import Annotated

import tyro

from keras_reid import command_line
from keras_reid.errors import UserError
from keras_reid.export.placing import put_in_place

_MARKER = "saved_model.pb"


@dataclasses.dataclass(frozen=True)
class Publish:
    """Copy a verified SavedModel into a model's folder, as a new version.

    Servers look for folders MODELS/NAME/VERSION. The copy is made aside and renamed, so that no server sees half of
    it; a running one loads it within its polling interval.
    """

    export: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="EXPORT")]
    """the folder with saved_model.pb that `python -m keras_reid.export` wrote: DIR/savedmodel/PRECISION"""
    model: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="MODELS/NAME")]
    """the model's folder; its last part is the name that clients use"""
    version: int | None = None
    """number of the version; by default the highest plus one"""


def main(arguments):
    options = command_line.parse(Publish, arguments, prog="python -m serving.publish")
    target = publish(options.export, options.model, options.version)
    megabytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    print(
        f"{target}: version {target.name} of {options.model.name}, {megabytes:.1f} MB, from {options.export}"
    )


def publish(export, model, version=None):
    """Copies an export to `model/VERSION` and returns that folder.

    Args:
        export: folder of a SavedModel with its parity.json.
        model: the model's folder, which is made where it is missing.
        version: a number that is not taken; None is the highest plus one, at first 1.

    Raises:
        UserError: the export is none, or was not verified; the name or the version cannot be.

    Example:
        >>> publish("exports/quickstart/savedmodel/float32", "models/reid").name  # doctest: +SKIP
        '1'
    """
    export, model = pathlib.Path(export), pathlib.Path(model)
    _check_export(export)
    if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z_][A-Za-z0-9_.-]*", model.name):
        raise UserError(
            "the model's folder must be named with letters, digits, '_', '-' and '.', at least one of them a letter: "
            f"clients ask for it by this name. Received: {model}"
        )
    taken = {int(path.name) for path in model.glob("*") if path.name.isascii() and path.name.isdigit()}
    if version is None:
        version = max(taken, default=0) + 1
    if version < 1:
        raise UserError(f"--version must be at least 1. Received: {version}")
    if version in taken:
        raise UserError(
            f"{model / str(version)}: this version is there, and servers may be using it. The next free one is "
            f"{max(taken) + 1}."
        )
    with put_in_place(model / str(version), _MARKER) as folder:
        shutil.copytree(export, folder)
    return model / str(version)


def _check_export(export):
    if not (export / _MARKER).is_file():
        inside = sorted(str(path.parent) for path in export.rglob(_MARKER)) if export.is_dir() else []
        hint = (
            f"Did you mean {' or '.join(inside[:3])}?"
            if inside
            else "python -m keras_reid.export writes one."
        )
        raise UserError(f"{export} must be a folder with {_MARKER}. {hint}")
    try:
        parity = json.loads((export / "parity.json").read_text(encoding="utf-8"))
        verified = parity["verified"] is True
    except (OSError, ValueError, KeyError, TypeError):
        verified = False
    if not verified:
        raise UserError(
            f"{export}: its parity.json does not say that the SavedModel gives the model's own embeddings. "
            "Export it with python -m keras_reid.export, which verifies it."
        )


if __name__ == "__main__":
    command_line.run(main)
