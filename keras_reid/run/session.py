"""A run in its directory, as `fit` is asked for it: a new one, or one that goes on."""

import os
from collections.abc import Sequence
from typing import Any

from keras_reid.experiment.loading import resolve
from keras_reid.experiment.run_directory import RunDirectory
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json
from keras_reid.utils.workers import this_worker


def run_in_directory(
    file: str | os.PathLike[str],
    arguments: Sequence[str],
    smoke: bool,
    seed: int | None,
    resume: bool,
    trust_code: bool,
) -> dict[str, dict[str, Any]]:
    """Runs an experiment file and writes the results to `runs/NAME`, which no other process may write to meanwhile.

    Args:
        file: the experiment file.
        arguments: `--KEY VALUE` for it.
        smoke: whether it is a smoke run.
        seed: instead of the experiment's; the name says it. None for the experiment's own.
        resume: go on with the newest unfinished run of this experiment. With a seed, one that is finished is not run
            again.
        trust_code: as in `load_model`, for runs that the experiment names.

    Returns:
        The metrics by the name of the test set.

    Raises:
        UserError: as `keras_reid.run.execute.run`. What had not begun to train leaves nothing.
    """
    experiment, said = resolve(file, arguments, smoke, seed)
    for sentence in said:
        print(f"smoke run: {sentence}")
    if resume and seed is not None:
        finished = [run for run in RunDirectory.of(experiment) if run.is_finished()]
        if finished:
            print(f"seed {seed} is finished: {finished[0].path}")
            return read_json(finished[0] / "metrics.json")
    chief = this_worker().chief
    directory = _unfinished(experiment) if resume and chief else None
    new = directory is None and chief
    if new:
        directory = RunDirectory.create(experiment, file, arguments, smoke, seed)
    elif directory is not None:
        directory.note_code(file)
    try:
        command_line.load_tensorflow()
        from keras_reid.run.execute import run

        return run(experiment, directory, resume, trust_code)
    except UserError:
        if new and directory is not None and not directory.has_begun():
            directory.remove()  # so that the corrected command has the name
        raise
    finally:
        if directory is not None:
            directory.release()


def _unfinished(experiment):
    """The run to be resumed, held; None if it never began."""
    directory = RunDirectory.unfinished(experiment)
    if directory is None:
        return None
    directory.hold()
    if directory.is_finished():  # by the process that held it a moment ago
        directory.release()
        return _unfinished(experiment)
    return directory
