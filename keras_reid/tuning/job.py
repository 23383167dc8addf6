"""What the trials of a sweep have in common."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Job:
    """A sweep's command, and the names of its trials.

    Args:
        command: the program and its arguments, before those of a trial.
        dimensions: what is searched.
        sweep: absolute path of the sweep's folder, beside which the run directories are.
        working_directory: where `fit` runs; Ray's workers have others.
        suffix: what `fit` adds to the name of a run.
        environment: variables of the process.
    """

    command: tuple
    dimensions: tuple
    sweep: Path
    working_directory: Path
    suffix: str = ""
    environment: dict = dataclasses.field(default_factory=dict)

    def directory(self, trial):
        """The run directory of a trial, "trial003"."""
        return self.sweep.with_name(self.run_name(trial) + self.suffix)

    def run_name(self, trial):
        """What `fit` is to call its run."""
        return f"{self.sweep.name}-{trial}"

    def arguments(self, config):
        """`--KEY VALUE …` of a trial."""
        return [word for dimension in self.dimensions for word in dimension.arguments(config[dimension.key])]


def trial_name(trial_id):
    """A trial's name, such as trial003: Ray's identifiers end with its number."""
    return f"trial{int(trial_id.rsplit('_', 1)[-1]):03d}"
