"""A run from its beginning to its end."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from keras_reid.run.data import IdentityBatches, check_datasets, list_images, print_doubts
from keras_reid.run.environment import set_up
from keras_reid.run.model import build_backbone, make_model
from keras_reid.run.results import write_results
from keras_reid.run.stages import Stages
from keras_reid.run.train import follow, train
from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes

if TYPE_CHECKING:
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Experiment

_TERMINATED = 128 + 15  # as a shell says of a process that SIGTERM ended


def run(
    experiment: Experiment, directory: RunDirectory | None, resume: bool = False, trust_code: bool = False
) -> dict[str, dict[str, Any]]:
    """Trains and evaluates an experiment and writes its results to a run directory.

    The final metrics and `model.keras` are those of the last epoch; `best.keras` and `best.json` are those of the best
    evaluated one.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`; None in another worker than the chief (see `keras_reid.utils.workers`), which
            trains and writes nothing.
        resume: continue from the newest checkpoint in the directory, if there is one.
        trust_code: as in `load_model`, for runs that the experiment names as teachers or source.

    Returns:
        The metrics by the name of the test set, as written to `metrics.json`; of the chief only.

    Raises:
        UserError: for a mistake in the experiment or its data, before training begins; when the training diverges or
            the disk is full.
        SystemExit: with code 143 after SIGTERM, when a checkpoint is saved.
    """
    from keras_reid.training.strategy import scope

    stages = Stages(experiment)
    stages.check()
    strategy = set_up(experiment)

    datasets = list_images(experiment.data, identities=stages.labelled)
    print_doubts(datasets, stages.labelled)
    with scope(strategy):  # before every image is checked, as weights may be out of reach
        backbone = build_backbone(experiment)
        stages.load(datasets, trust_code)
    datasets = check_datasets(datasets, experiment.data.skip_unreadable, stages.labelled)

    assert datasets.train is not None  # as it was asked for
    with _said_in_words(directory):
        batches = stages.batches(IdentityBatches.of(experiment, datasets.train))
        if not resume:
            batches.check()
        model = make_model(experiment, stages, strategy, datasets.train, backbone, batches)
        callbacks = stages.callbacks(model)
        if directory is None:
            follow(experiment, strategy, model, batches)
            return {}
        evaluations, best = train(
            experiment, directory, resume, strategy, model, datasets, batches, callbacks
        )
        metrics = write_results(experiment, directory, stages, model, datasets.tests, evaluations)
    value = 100 * best.value  # type: ignore[operator]  # the last epoch was evaluated
    print(f"best: epoch {best.epoch}, {value:.1f} % (mean of mAP and Rank-1), {directory / 'best.keras'}")
    return metrics


@contextlib.contextmanager
def _said_in_words(directory):
    """Says what a full disk and SIGTERM mean for the run."""
    from keras_reid.training.callbacks import Terminated

    try:
        yield
    except Terminated as stop:
        print(
            f"SIGTERM: {stop}, with a checkpoint in {directory / 'checkpoints'}; repeat the command with --resume "
            "to continue",
            file=sys.stderr,
        )
        sys.exit(_TERMINATED)
    except Exception as error:
        if isinstance(error, UserError) or not is_full(error) or directory is None:
            raise
        raise UserError(
            f"no room in {directory.path}: {megabytes(free_bytes(directory.path))} are free or allowed. The "
            "checkpoints are intact: make room, and repeat the command with --resume"
        ) from error
