"""The test sets that a command is asked to read: those of a run, of a benchmark, or of an experiment file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keras_reid.experiment.loading import load_experiment
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Data, Experiment


def requested_experiment(
    dataset: str | None, run: RunDirectory | None, trust_code: bool = False
) -> Experiment | None:
    """The experiment whose settings a command begins with.

    Args:
        dataset: the option `--dataset`: an experiment file, a benchmark or None.
        run: `RunDirectory` or None.
        trust_code: execute the run's experiment file even if `fit` on this machine has not noted its hash.

    Returns:
        an `Experiment`, or None for a model file outside a run.

    Raises:
        UserError: the experiment file fails, or that of the run may not be executed.
    """
    if dataset and dataset.endswith(".py"):
        return load_experiment(dataset)
    return run.experiment(trust_code) if run else None


def requested_data(
    dataset: str | None,
    experiment: Experiment | None,
    root: Path | None = None,
    skip_unreadable: bool = False,
) -> Data:
    """What to read, as `read_datasets` takes it.

    Args:
        dataset: the option `--dataset`.
        experiment: of `requested_experiment`.
        root: folder under which the data set is looked for; None for the experiment's.
        skip_unreadable: leave unreadable images out; the experiment's own setting counts too.

    Raises:
        UserError: an unknown benchmark, or a model file without one.
    """
    from keras_reid.data import BENCHMARKS
    from keras_reid.experiment import Data

    if dataset and not dataset.endswith(".py"):
        if dataset not in BENCHMARKS:
            raise UserError(
                f"--dataset must be one of {', '.join(BENCHMARKS)}, or an experiment file. Received: {dataset!r}"
            )
        data = experiment.data if experiment else Data()
        data = replace(data, dataset=BENCHMARKS[dataset], test_datasets=())
    elif experiment:
        data = experiment.data
    else:
        raise UserError(
            "a model file outside a run has no test set: name one with --dataset, or give a run directory"
        )
    data = replace(data, skip_unreadable=skip_unreadable or data.skip_unreadable)
    return data if root is None else replace(data, root=root)
