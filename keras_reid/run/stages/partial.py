"""DSR in an experiment: its share is chosen on validation data, and its result stands beside the embeddings' own."""

from dataclasses import replace

from keras_reid.experiment.evaluation_settings import cosine_entry
from keras_reid.run.data import read_datasets
from keras_reid.utils.errors import UserError


def read_validation(data, reader):
    """The set on which the share of DSR is chosen, with every image checked.

    Args:
        data: `Experiment.data`.
        reader: `Evaluation.dsr_validation`.

    Raises:
        UserError: as `read_datasets`.
    """
    _, (validation,) = read_datasets(replace(data, dataset=reader, test_datasets=()), train=False)
    return validation


def check_held_out(validation, others):
    """Refuses validation data that are seen in training or tested on.

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
                f"the share of dsr must be chosen on images of their own, but {len(shared)} of {validation.name!r} are "
                f"also {what}, the first is {shared[0]}: name another set for the choice"
            )


def with_dsr(model, tests, results, settings, validation=None):
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
    from keras_reid.evaluation import dsr_lambda_for, evaluate_dsr, print_table

    share = settings.dsr_lambda
    if validation is not None:
        share = dsr_lambda_for(model, validation, settings.batch_size)
        print(f"share of dsr, chosen on {validation.name}: {share:g}")
    model.metadata["dsr_lambda"] = share
    both = {}
    for dataset in tests:
        both[dataset.name] = evaluate_dsr(model, dataset, share, settings.batch_size)
        both[cosine_entry(dataset.name)] = results[dataset.name]
    print_table(both)
    return both
