"""What another worker than the chief does in a run: it trains."""

from keras_reid.utils.errors import UserError


def follow(experiment, strategy, model, dataset, batches_from, steps_per_epoch):
    """Trains with the chief, from where it begins until it ends, and waits until it has evaluated.

    Writes nothing.

    Args:
        experiment: an `Experiment`.
        strategy: of several workers.
        model: compiled, as the chief's.
        dataset: the training data.
        batches_from: `(epoch, step, part=)` → batches.
        steps_per_epoch: of a whole epoch.
    """
    from keras_reid.training import callbacks
    from keras_reid.training.callbacks.state import training_variables
    from keras_reid.training.resuming import fit_from
    from keras_reid.training.strategy import StopTogether, distribute, from_chief

    variables = [variable for _, variable in training_variables(model)]
    epoch, step, finished = from_chief(strategy, variables, 0, 0, 0)
    if not finished:
        guard = callbacks.NaNGuard(names=dataset.train_labels()[2])
        fit_from(
            model,
            lambda epoch, step: distribute(
                strategy, lambda index, count: batches_from(epoch, step, part=(index, count))
            ),
            (epoch, step),
            experiment.training.epochs,
            steps_per_epoch,
            [guard, StopTogether(strategy)],
        )
    from_chief(strategy, (), 0)


def check_sharing(strategy, sampler):
    """Refuses batches that cannot be shared out among the devices, before any long work.

    Raises:
        UserError: naming the field.
    """
    from keras_reid.training.strategy import check_replicas

    try:
        check_replicas(strategy, sampler)
    except UserError as error:
        raise UserError(f"data.sampler: {error}") from error
