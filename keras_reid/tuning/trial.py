"""A trial as Ray Tune sees it."""

import shutil

from ray import tune

from keras_reid.tuning.fit_process import FitProcess, final_score
from keras_reid.tuning.job import trial_name


class Trial(tune.Trainable):
    """Runs `fit` with the values that it is given and reports each evaluation; a repeated one continues its run."""

    def setup(self, config, job):
        self.process, self.finished = None, None
        trial = trial_name(self.trial_id)
        directory = job.directory(trial)
        if (directory / "metrics.json").is_file():
            self.finished = final_score(directory)
            return
        begun = (directory / "experiment.json").is_file()
        if directory.exists() and not begun:
            shutil.rmtree(directory)  # stopped before it was a run
        own = ["--name", job.run_name(trial), *(["--resume"] if begun else [])]
        self.process = FitProcess(
            [*job.command, *job.arguments(config), *own],
            directory,
            job.sweep / f"{trial}.log",
            job.working_directory,
            job.environment,
        )

    def step(self):
        score = self.finished or self.process.next_score()
        return {**score, "done": score["finished"]}

    def cleanup(self):
        if self.process:
            self.process.stop()
