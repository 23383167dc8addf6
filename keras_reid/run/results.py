"""What a run leaves behind when it is done: the model, the report, the metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.description import changed
from keras_reid.utils.files import write_json, written_aside

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.evaluation.evaluator import DatasetEvaluation
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Experiment

# Pairs of a query and a gallery image that are compared for ROC and histogram at the end of a training: about a
# minute of two cores at 2048 dimensions; Market-1501 has a third of it, MSMT17 five times as many.
_MOST_PAIRS = 2e8


def write_results(
    experiment: Experiment,
    directory: RunDirectory,
    stages: Any,
    model: Any,
    tests: Sequence[ReIDDataset],
    evaluations: Mapping[str, DatasetEvaluation],
) -> dict[str, dict[str, Any]]:
    """Saves the trained model, and writes its report and its metrics.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`.
        stages: the `Stages` of the run, which may change the results.
        model: the `ReIDModel`, or a `Distiller`.
        tests: data sets.
        evaluations: name of the test set → `DatasetEvaluation` of the model.

    Returns:
        The metrics by the name of the test set, as written to `metrics.json`.
    """
    from keras_reid.models import load_model

    save_model(model, directory / "model.keras")
    # As it was saved: outside a strategy's scope, and with the averaged weights if there are any.
    model = load_model(directory.path)
    write_pages(experiment, directory, model, tests, evaluations)
    results = {name: evaluation.result for name, evaluation in evaluations.items()}
    results = stages.finish(directory, model, tests, results)
    metrics = _metrics(results, experiment.evaluation.recall)
    write_json(directory / "metrics.json", metrics)  # last of all: a run with this file is finished
    return metrics


def save_model(model: Any, file: str | os.PathLike[str], epoch: int | None = None) -> None:
    """Saves a model without its optimizer, which would triple its size; of a `Distiller` the student.

    Args:
        model: a `ReIDModel`, or a `Distiller`.
        file: path, ending in `.keras`.
        epoch: after how many epochs, for the provenance in its metadata.
    """
    from keras_reid.training.synchronized import synchronize_batch_norm

    model = getattr(model, "student", model)
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    synchronize_batch_norm(bare, False)  # how it was trained; JAX would refuse to load it
    if epoch is not None:
        bare.metadata["provenance"] = {**bare.metadata["provenance"], "epoch": epoch}
    with written_aside(file) as aside:
        bare.save(aside)


def write_pages(
    experiment: Experiment,
    directory: RunDirectory,
    model: Any,
    tests: Sequence[ReIDDataset],
    evaluations: Mapping[str, DatasetEvaluation],
) -> None:
    """Writes the report, its ranked lists as pictures, and what TensorBoard's projector shows.

    ROC and histogram of a test set with more than 2 · 10⁸ pairs are left to `keras-reid report`.
    """
    from keras_reid.visualization.projector import write_projector

    write_run_report(model, experiment, directory.path, tests, evaluations, most_pairs=_MOST_PAIRS)
    images = experiment.evaluation.projector_images
    for dataset in tests if images else ():
        evaluation = evaluations[dataset.name]
        write_projector(directory / "tensorboard", dataset, evaluation.query, evaluation.gallery, images)


def write_run_report(
    model: Any,
    experiment: Experiment,
    directory: str | os.PathLike[str],
    tests: Sequence[ReIDDataset],
    evaluations: Mapping[str, DatasetEvaluation],
    most_pairs: float | None = None,
    output: str | os.PathLike[str] | None = None,
) -> None:
    """Writes the report of a run, and its ranked lists as pictures; prints where.

    Args:
        model: the run's `ReIDModel`.
        experiment: the `Experiment`.
        directory: path of the run.
        tests: its test sets.
        evaluations: name of the test set → `DatasetEvaluation` of the model.
        most_pairs: as in `keras_reid.visualization.collect_findings`.
        output: HTML file to write; None is `report/index.html` in the run directory.
    """
    from keras_reid.visualization import collect_findings, draw_ranked_lists, write_report

    metric = experiment.evaluation.embedding_metric
    findings = [
        collect_findings(model, dataset, evaluations[dataset.name], metric, most_pairs) for dataset in tests
    ]
    page = write_report(directory, findings, model, output, changed(experiment))
    for one in findings:
        # From the best to the worst.
        groups = {**one.lists, "worst": one.lists.get("worst", [])[::-1]}
        lists = [each for group in groups.values() for each in group]
        draw_ranked_lists(lists, page.with_name(f"ranked_lists_{one.name}.png"))
    print(f"report: {page}")


def _metrics(results, recall):
    """The numbers of each test set for `metrics.json`; prints Recall@K, if it is asked for."""
    from keras_reid.evaluation.metric_tables import print_recall_table

    recalls = {name: result.recalls(recall) for name, result in results.items()}
    if recall:
        print_recall_table(recalls, recall)
    return {name: {**result.to_dict(), **recalls[name]} for name, result in results.items()}
