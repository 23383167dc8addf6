"""A trial as Ray Tune sees it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray import tune

from keras_reid.experiment.run_directory import LOCK, RunDirectory
from keras_reid.tuning.fit_process import FitProcess, final_score
from keras_reid.utils.locks import wait_until_free

if TYPE_CHECKING:
    from keras_reid.tuning.job import Job

_GRACE_SECONDS = 60.0


class Trial(tune.Trainable):
    """Runs `fit` with the values that it is given and reports each evaluation; a repeated one continues its run."""

    def setup(self, config: Mapping[str, Any], job: Job) -> None:
        self.process, self.finished = None, None
        trial = self.trial_name
        directory = job.directory(trial)
        # Of a sweep that was killed, this trial's process may still be saving its checkpoint.
        wait_until_free(directory / LOCK, _GRACE_SECONDS)
        own = [*job.arguments(config), "--name", job.run_name(trial)]
        begun = _was_begun(directory, own)
        if begun and (directory / "metrics.json").is_file():
            self.finished = final_score(directory)
            return
        if directory.exists() and not begun:
            shutil.rmtree(directory)
        self.process = FitProcess(
            [*job.command, *own, *(["--resume"] if begun else [])],
            directory,
            job.sweep / f"{trial}.log",
            job.working_directory,
            job.environment,
        )

    def step(self) -> dict[str, Any]:
        score = self.finished or self.process.next_score()  # type: ignore[union-attr]  # there is one or the other
        return {**score, "done": score["finished"]}

    def cleanup(self) -> None:
        if self.process:
            self.process.stop()


def _was_begun(directory, arguments):
    """Whether a trial's run was begun with these arguments.

    It was not, where the process was stopped before it was a run, or where the sweep was killed before it noted what it
    had drawn, and drew again.
    """
    if not (directory / "experiment.json").is_file():
        return False
    return RunDirectory(directory).command()["arguments"][-len(arguments) :] == arguments
