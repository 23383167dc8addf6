"""What the trials of a sweep have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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

    def directory(self, trial: str) -> Path:
        """The run directory of a trial, "trial003"."""
        return self.sweep.with_name(self.run_name(trial) + self.suffix)

    def run_name(self, trial: str) -> str:
        """What `fit` is to call its run."""
        return f"{self.sweep.name}-{trial}"

    def arguments(self, config: Mapping[str, Any]) -> list[str]:
        """`--KEY VALUE …` of a trial."""
        return [word for dimension in self.dimensions for word in dimension.arguments(config[dimension.key])]


def trial_name(tag: str, first: int = 0) -> str:
    """A trial's name, such as trial003.

    Args:
        tag: Ray's tag of it, which begins with its number, such as "3_training.epochs=2".
        first: the number of the first one.
    """
    return f"trial{int(tag.partition('_')[0]) - first:03d}"
