"""The report of a finished run, made again: because it is asked for, or because its model was calibrated."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.evaluation_settings import cosine_entry
from keras_reid.utils.files import read_json

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Experiment

_SAME = 1e-3  # of a metric: what rounding on another processor may change


def report_again(
    run: RunDirectory,
    experiment: Experiment,
    model: Any,
    tests: Sequence[ReIDDataset],
    output: str | os.PathLike[str] | None = None,
    features: Mapping[str, Any] | None = None,
) -> None:
    """Evaluates the model of a run on the run's test sets, and writes the report.

    Args:
        run: a `RunDirectory`.
        experiment: its `Experiment`.
        model: its `ReIDModel`.
        tests: its test sets.
        output: as in `write_run_report`.
        features: name of a test set → what `Evaluator.features` returned for it, which is then not embedded again.
    """
    from keras_reid.evaluation import Evaluator, print_table
    from keras_reid.run.results import write_run_report

    evaluator = Evaluator(model, experiment.evaluation.embedding_settings())
    features = features or {}
    evaluations = {dataset.name: evaluator.run(dataset, features.get(dataset.name)) for dataset in tests}
    print_table({name: evaluation.result for name, evaluation in evaluations.items()})
    _compare_with_run(run, evaluations)
    write_run_report(model, experiment, run.path, tests, evaluations, output=output)


def _compare_with_run(run, evaluations):
    """Warns where the metrics differ from those of the run."""
    before = read_json(run / "metrics.json")
    for name, evaluation in evaluations.items():
        for key in ("rank1", "mAP"):
            of_embeddings = before.get(cosine_entry(name), before.get(name, {}))
            old, new = of_embeddings.get(key), getattr(evaluation.result, key)
            if old is not None and abs(old - new) > _SAME:
                print(
                    f"warning: {key} of {name} is {100 * new:.2f} %, and was {100 * old:.2f} % at the end of the run: "
                    "was the model or the test set changed?"
                )
