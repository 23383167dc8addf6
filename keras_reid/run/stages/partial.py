"""Partial images: the share of DSR is chosen on validation data; its results stand next to those of the embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.evaluation_settings import Evaluation, cosine_entry
from keras_reid.experiment.loading import load_experiment
from keras_reid.experiment.requested_data import requested_data
from keras_reid.run.stages.stage import Stage
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.data.sample import Sample
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Data, Experiment
    from keras_reid.run.data import Datasets


class Partial(Stage):
    """Tests by the embeddings and by DSR, which compares local features."""

    @staticmethod
    def wanted(experiment: Experiment) -> bool:
        return experiment.evaluation.metric == "dsr"

    def load(self, datasets: Datasets, trust_code: bool) -> None:
        self._validation = None
        if self.experiment.evaluation.dsr_validation is not None:
            self._validation = read_validation(
                self.experiment.data, self.experiment.evaluation.dsr_validation
            )
            assert datasets.train is not None  # what is trained on
            tested = [sample for test in datasets.tests for sample in (*test.query, *test.gallery)]
            check_held_out(self._validation, {"tested on": tested, "trained on": datasets.train.train})

    def prepare(self, model: Any) -> Any:
        from keras_reid.evaluation.dsr.feature_maps import map_model

        map_model(model)  # raises if there is no map, before the training
        return model

    def finish(
        self, directory: RunDirectory, model: Any, tests: Sequence[ReIDDataset], results: dict[str, Any]
    ) -> dict[str, Any]:
        from keras_reid.run.results import save_model

        both = with_dsr(model, tests, results, self.experiment.evaluation, self._validation)
        save_model(model, directory / "model.keras")  # with the share in its metadata
        return both


def read_validation(data: Data, reader: Any) -> ReIDDataset:
    """The set on which the share of DSR is chosen, with every image checked.

    Args:
        data: `Experiment.data`.
        reader: `Evaluation.dsr_validation`.

    Raises:
        UserError: as `read_datasets`.
    """
    from keras_reid.run.data import read_datasets

    _, (validation,) = read_datasets(replace(data, dataset=reader, test_datasets=()), train=False)
    return validation


def check_held_out(validation: ReIDDataset, others: Mapping[str, Sequence[Sample]]) -> None:
    """Rejects validation data that are seen in training or tested on.

    Args:
        validation: `ReIDDataset`, of which query and gallery count.
        others: dict of lists of `Sample`s: what they are → the samples.

    Raises:
        UserError: naming an image.
    """
    own = {str(sample.path) for sample in (*validation.query, *validation.gallery)}
    for what, samples in others.items():
        shared = sorted(own & {str(sample.path) for sample in samples})
        if shared:
            raise UserError(
                f"the share of dsr must be chosen on images that are used for nothing else, but {len(shared)} of "
                f"{validation.name!r} are also {what}, the first is {shared[0]}: name another set for the choice"
            )


def with_dsr(
    model: Any,
    tests: Sequence[ReIDDataset],
    results: Mapping[str, Any],
    settings: Evaluation,
    validation: ReIDDataset | None = None,
) -> dict[str, Any]:
    """The results of a run whose metric is DSR; prints them as a table.

    Args:
        model: a `ReIDModel`. The share of DSR is put into its metadata.
        tests: its test sets.
        results: name of the test set → `RetrievalResult` of its embeddings.
        settings: `Experiment.evaluation`.
        validation: where the share is chosen; None for that of the settings.

    Returns:
        dict: the name of each test set → DSR's result, and "NAME (cosine)" → that of the embeddings alone.
    """
    from keras_reid.evaluation import evaluate_dsr, print_table

    if validation is None:
        share: float = settings.dsr_lambda  # type: ignore[assignment]  # one of the two is given
    else:
        share = _choose_share(model, validation, settings.batch_size)
    model.metadata["dsr_lambda"] = share
    both = {}
    for dataset in tests:
        both[dataset.name] = evaluate_dsr(model, dataset, share, settings.batch_size)
        both[cosine_entry(dataset.name)] = results[dataset.name]
    print_table(both)
    return both


def share_of_dsr(options: Any, model: Any, validation: Data | None, tests: Sequence[ReIDDataset]) -> float:
    """The share of DSR for `evaluate`: as given, chosen on validation data, or what the model's metadata hold.

    Args:
        options: of the command.
        model: a `ReIDModel`.
        validation: what `validation_data` gave; None without `--dsr-validation`.
        tests: data sets, whose images the validation set must not have.
    """
    if options.dsr_lambda is not None:
        return options.dsr_lambda
    if validation is None:
        share, source = model.metadata.get("dsr_lambda"), "chosen when the model was trained"
        if share is None:
            share, source = 0.5, "chosen nowhere: use --dsr-validation"
        print(f"share of dsr: {share:g}, {source}")
        return share
    validation = read_validation(validation, validation.dataset)
    check_held_out(validation, {"tested on": [one for test in tests for one in (*test.query, *test.gallery)]})
    return _choose_share(model, validation, options.batch_size)


def validation_data(options: Any, data: Data) -> Data:
    """What `evaluate --dsr-validation` names: an `Experiment.data` with its reader as `dataset`.

    Args:
        options: of the command.
        data: `Experiment.data` of the test, whose root is the default.
    """
    name = options.dsr_validation
    experiment = load_experiment(name) if name.endswith(".py") else None
    try:
        chosen = requested_data(name, experiment, options.root, options.skip_unreadable)
    except UserError as error:
        raise UserError(str(error).replace("--dataset", "--dsr-validation")) from error
    readers = chosen.test_datasets or (chosen.dataset,)
    if len(readers) > 1:
        raise UserError(
            f"--dsr-validation needs an experiment file with one test set. Received: {name} with {len(readers)}"
        )
    root = chosen.root if experiment or options.root else data.root
    return replace(chosen, dataset=readers[0], test_datasets=(), root=root)


def _choose_share(model, validation, batch_size):
    from keras_reid.evaluation import dsr_lambda_for

    share = dsr_lambda_for(model, validation, batch_size)
    print(f"share of dsr, chosen on {validation.name}: {share:g}")
    return share
