"""The folder of a run: its name, and what a later command needs to know of how it was made."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from keras_reid.experiment.description import as_dict, differences
from keras_reid.experiment.loading import resolve
from keras_reid.experiment.schema import RUNS, Experiment
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, write_json
from keras_reid.utils.full_disk import writing
from keras_reid.utils.locks import Held, Lock
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.own_code import is_known, note, source_of_run

LOCK = "lock"  # the file in a run directory that tells who writes to it


class RunDirectory:
    """`runs/NAME/`: experiment.json, a copy of the experiment file, command.json, and what the run writes.

    One process at a time writes to it: who has its lock, see `hold`.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock: Lock | None = None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @classmethod
    def create(
        cls,
        experiment: Experiment,
        file: str | os.PathLike[str],
        arguments: Sequence[str] = (),
        smoke: bool = False,
        seed: int | None = None,
    ) -> Self:
        """A new folder for a run, which is held: `runs/NAME`, or NAME-2, NAME-3 … where that is taken; a smoke run
        replaces it. The hash of the experiment file is noted, so that later commands may execute the copy.

        Raises:
            UserError: another process works on the smoke run that is to be replaced.
        """
        description = as_dict(experiment)
        names = itertools.chain([experiment.name], (f"{experiment.name}-{k}" for k in itertools.count(2)))
        if smoke:
            _remove_smoke_run(cls(RUNS / experiment.name))
        RUNS.mkdir(parents=True, exist_ok=True)
        run = next(cls(RUNS / name) for name in names if _make(RUNS / name))
        try:
            run.hold()
            with writing(run / "experiment.py"):
                shutil.copyfile(file, run / "experiment.py")
            command = {"file": str(file), "arguments": list(arguments), "smoke": smoke, "seed": seed}
            write_json(run / "command.json", command)
            write_json(run / "experiment.json", description)
            run.note_code(file)
        except BaseException:
            run.remove()
            run.release()
            raise
        return run

    @classmethod
    def of(cls, experiment: Experiment) -> list[Self]:
        """Every run of an experiment, the newest first."""
        pattern = re.compile(re.escape(experiment.name) + r"(-\d+)?")
        runs = [
            cls(file.parent) for file in RUNS.glob("*/experiment.json") if pattern.fullmatch(file.parent.name)
        ]
        runs = [run for run in runs if run.description()["name"] == experiment.name]
        return sorted(runs, key=lambda run: (run / "experiment.json").stat().st_mtime, reverse=True)

    @classmethod
    def unfinished(cls, experiment: Experiment) -> Self | None:
        """The newest unfinished run of an experiment, or None if it never began.

        Raises:
            UserError: if all its runs are finished, or the newest unfinished one was made with other settings.
        """
        runs = cls.of(experiment)
        unfinished = [run for run in runs if not run.is_finished()]
        if runs and not unfinished:
            raise UserError(
                f"{runs[0].path} is finished: there is nothing to resume. Without --resume a new run is made"
            )
        if not unfinished:
            return None
        run = unfinished[0]
        changed = sorted(differences(run.description(), json.loads(json.dumps(as_dict(experiment)))))
        if changed:
            raise UserError(
                f"{run.path} was started with other settings, and a resumed run must not mix them: "
                f"{', '.join(changed)} changed. Restore them, or start a new run without --resume"
            )
        return run

    def hold(self) -> None:
        """Makes this process the one that writes to the run, until `release` or the end of the process, however it ends
        (see `Lock`, also for network file systems).

        Raises:
            UserError: another one is; its process id is named.
        """
        if self._lock is not None:
            return
        try:
            self._lock = Lock(self / LOCK)
        except Held as held:
            raise UserError(
                f"{self.path} is being written by {held.holder}, and a run has one writer: wait for its end or stop it "
                "(it saves a checkpoint on SIGTERM), then repeat the command"
            ) from None

    def release(self) -> None:
        """Lets others write to the run."""
        if self._lock is not None:
            self._lock.release(remove=True)
            self._lock = None

    def description(self) -> dict[str, Any]:
        """The resolved experiment as written when the run began."""
        return read_json(self / "experiment.json")

    def has_begun(self) -> bool:
        """Whether anything was trained."""
        return (self / "checkpoints").exists()

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.path)

    def is_finished(self) -> bool:
        """Whether the final metrics are there."""
        return (self / "metrics.json").is_file()

    def note_code(self, file: str | os.PathLike[str]) -> None:
        """Notes the experiment file that the user trains with, so that later commands may execute the run's copy of it.

        It must be the same as the copy, which it need not be when a run is resumed. Says in one line if it cannot be
        noted: the training goes on.
        """
        copy = (self / "experiment.py").read_bytes()
        if copy == Path(file).read_bytes() and (reason := note(copy)):
            print(
                f"warning: {reason}: the hash of {self / 'experiment.py'} is not noted, so later commands need "
                "--trust-code to execute it",
                file=sys.stderr,
            )

    def may_execute(self, trust_code: bool = False) -> bool:
        """Whether the run's experiment file may be executed; see `keras_reid.utils.own_code`."""
        file = self / "experiment.py"
        return trust_code or (file.is_file() and is_known(file.read_bytes()))

    def command(self) -> dict[str, Any]:
        """What `fit` was called with: a dict of `file`, `arguments`, `smoke` and `seed`.

        Raises:
            UserError: command.json is damaged.
        """
        file = self / "command.json"
        command = read_json(file)
        if not (
            isinstance(command, dict)
            and isinstance(command.get("arguments"), list)
            and all(isinstance(argument, str) for argument in command["arguments"])
            and isinstance(command.get("smoke"), bool)
            and isinstance(command.get("seed"), (int, type(None)))
        ):
            raise UserError(f"{file}: must hold the arguments, smoke and seed that `fit` was called with")
        return command

    def experiment(self, trust_code: bool = False) -> Experiment:
        """The experiment as it was run: the copied file with the same arguments. The file is executed.

        Args:
            trust_code: execute it even if `fit` on this machine has not noted its hash.

        Raises:
            UserError: the file may not be executed, or fails; command.json is damaged.
        """
        command, file = self.command(), self / "experiment.py"
        source = source_of_run(file, trust_code)
        return resolve(file, command["arguments"], command["smoke"], command["seed"], source)[0]


def find_run(path: str | os.PathLike[str]) -> RunDirectory | None:
    """The `RunDirectory` that a path names, or in which the model file lies that it names; else None."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    return RunDirectory(folder) if (folder / "command.json").is_file() else None


def finished_run(path: str | os.PathLike[str]) -> RunDirectory:
    """The `RunDirectory` at a path, which must hold a finished run.

    Raises:
        UserError: nothing is there, it is something else, or the run is not finished.
    """
    if Path(path).is_file():
        raise UserError(f"{path}: a file. Pass the run directory that `keras-reid fit` wrote")
    run = RunDirectory(path)
    if Path(path).is_dir() and not (run / "command.json").is_file():
        raise UserError(
            f"{path}: not a run directory: it contains no command.json. Pass one that `keras-reid fit` wrote"
        )
    find_model_file(path)
    if not run.is_finished():
        raise UserError(
            f"{path}: the run is not finished: it contains no metrics.json. "
            "`keras-reid fit FILE --resume` finishes it"
        )
    return run


def _remove_smoke_run(run):
    """Makes room for a smoke run, unless another process works on the one that is there."""
    if run.path.is_dir():
        run.hold()
        shutil.rmtree(run.path, ignore_errors=True)
        run.release()


def _make(path):
    """Makes the folder; False if somebody has it already."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True
