"""The folder of a sweep, next to the runs of its trials."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.run_directory import LOCK
from keras_reid.experiment.schema import RUNS
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json
from keras_reid.utils.locks import Held, Lock

if TYPE_CHECKING:
    from pathlib import Path


def new_folder(name: str) -> Path:
    """A new folder for a sweep, none of whose trials has a name that is taken."""
    RUNS.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = RUNS / (f"{name}-sweep" if number == 1 else f"{name}-sweep-{number}")
        if not any(RUNS.glob(f"{folder.name}-trial*")):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
        number += 1


def newest_folder(name: str, settings: Mapping[str, Any]) -> Path:
    """The newest sweep of an experiment, which must have the same settings."""
    folders = [
        file.parent
        for file in RUNS.glob("*/sweep.json")
        if file.parent.name.rstrip("0123456789").removesuffix("-").removesuffix("-sweep") == name
    ]
    if not folders:
        raise UserError(f"there is no sweep to resume in {RUNS}/{name}-sweep")
    folder = max(folders, key=lambda folder: (folder / "sweep.json").stat().st_mtime)
    before = read_json(folder / "sweep.json")
    changed = [key for key, value in json.loads(json.dumps(settings)).items() if before.get(key) != value]
    if changed:
        raise UserError(
            f"{folder} was started with other settings, and a resumed sweep must not mix them: "
            f"{', '.join(changed)} changed. Restore them, or start a new one without --resume"
        )
    return folder


def hold(folder: Path) -> Lock:
    """The lock on a sweep's folder: two that run the same trials would spoil each other's."""
    try:
        return Lock(folder / LOCK)
    except Held as held:
        raise UserError(
            f"{folder} is being written by {held.holder}: wait for its end or stop it, then repeat the command"
        ) from None
