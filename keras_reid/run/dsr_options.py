"""Where the evaluate command takes the share of DSR from."""

import dataclasses

from keras_reid.experiment.loading import load_experiment
from keras_reid.experiment.requested_data import chosen_data
from keras_reid.utils.errors import UserError


def share_of_dsr(options, model, validation, tests):
    """The share of DSR: as given, chosen on validation data, or what the model's metadata hold."""
    if options.dsr_lambda is not None:
        return options.dsr_lambda
    if validation is None:
        share, source = model.metadata.get("dsr_lambda"), "chosen when the model was trained"
        if share is None:
            share, source = 0.5, "chosen nowhere: use --dsr-validation"
        print(f"share of dsr: {share:g}, {source}")
        return share
    from keras_reid.evaluation import dsr_lambda_for
    from keras_reid.run.stages.partial import check_held_out, read_validation

    validation = read_validation(validation, validation.dataset)
    check_held_out(validation, {"tested on": [one for test in tests for one in (*test.query, *test.gallery)]})
    share = dsr_lambda_for(model, validation, options.batch_size)
    print(f"share of dsr, chosen on {validation.name}: {share:g}")
    return share


def validation_data(options, data):
    """The data with the reader of the validation set as `dataset`."""
    name = options.dsr_validation
    experiment = load_experiment(name) if name.endswith(".py") else None
    try:
        chosen = chosen_data(name, experiment, options.root, options.skip_unreadable)
    except UserError as error:
        raise UserError(str(error).replace("--dataset", "--dsr-validation")) from error
    readers = chosen.test_datasets or (chosen.dataset,)
    if len(readers) > 1:
        raise UserError(
            f"--dsr-validation needs an experiment file with one test set. Received: {name} with {len(readers)}"
        )
    root = chosen.root if experiment or options.root else data.root
    return dataclasses.replace(chosen, dataset=readers[0], test_datasets=(), root=root)
