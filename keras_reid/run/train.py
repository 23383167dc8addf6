"""The training of a run."""

import contextlib
import math
import time

from keras_reid.run.environment import fingerprint, write_environment
from keras_reid.run.results import save_model
from keras_reid.utils.workers import this_worker


def train(experiment, directory, resume, strategy, model, parts, batches, target):
    """Trains the model of a run, with all that watches, tests and keeps it.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`.
        resume: continue from the newest checkpoint in the directory, if there is one.
        strategy: over whose devices batches are spread; None for none.
        model: compiled.
        parts: the `Parts` of the experiment.
        batches: `Batches`.
        target: the `Target` of an adaptation, or None.

    Returns:
        The `RetrievalEvaluation`, with the last evaluation unless that was in a former process.
    """
    from keras_reid.training import callbacks
    from keras_reid.training.callbacks.state import training_variables
    from keras_reid.training.resuming import fit_from
    from keras_reid.training.strategy import StopTogether, distribute, from_chief

    training, evaluation = experiment.training, experiment.evaluation
    names = parts.dataset.train_labels()[2] if target is None else target.names
    data = fingerprint(parts.dataset)
    best = callbacks.BestModel(directory.path, save_model, training.patience)
    retrieval = callbacks.RetrievalEvaluation(
        parts.tests,
        evaluation.every,
        evaluation.embedding_metric,
        evaluation.batch_size,
        evaluation.flip,
        best,
        _precise_batch_norm(training, batches),
    )
    log = callbacks.MetricsLog(directory / "metrics.jsonl")
    tensorboard = callbacks.TensorBoardLog(directory / "tensorboard", training.log_every, batches.batch_size)
    # In the middle of an epoch the chief cannot save or stop alone: the running means belong to all workers.
    alone = this_worker().count == 1
    with callbacks.termination() if alone else contextlib.nullcontext(lambda: False) as terminated:
        checkpoints = callbacks.Checkpoints(
            directory / "checkpoints",
            training.checkpoint_every,
            training.checkpoint_minutes if alone else 0,
            data,
            also={"best": best} if target is None else {"best": best, "target": target},
            stop=terminated,
        )
        checkpoints.check_room(model)
        position = checkpoints.restore(model) if resume else callbacks.Position()
        if resume:
            log.keep(position.epochs)
            print(f"resuming after {position}" if any(position) else "no checkpoint yet: starting anew")
        write_environment(directory / "environment.json", training.seed, data)
        checkpoints.directory.mkdir(parents=True, exist_ok=True)  # from now on the run has begun
        if training.log_every and not any(position):
            _show_batch(tensorboard, batches.start(0), names)
        start = time.monotonic()
        variables = [variable for _, variable in training_variables(model)]
        from_chief(strategy, variables, *position, int(best.exhausted))
        trained = not best.exhausted and fit_from(
            model,
            lambda epoch, step: distribute(
                strategy, lambda index, count: batches.start(epoch, step, part=(index, count))
            ),
            position,
            training.epochs,
            batches.steps_per_epoch,
            [
                *([] if target is None else [target]),
                callbacks.ProgressLine(batches.batch_size, batches.steps_per_epoch),
                callbacks.NaNGuard(checkpoints, names),
                retrieval,
                log,
                tensorboard,
                checkpoints,
                StopTogether(strategy),
            ],
            renewed=target is not None,
        )
        tensorboard.close()
    if trained:
        print(f"trained for {time.monotonic() - start:.0f} s")
    else:  # as Keras' fit does at its end
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return retrieval


def _precise_batch_norm(training, batches):
    """What is called with the model before its last evaluation, or None."""
    steps = training.precise_bn_batches
    if not steps:
        return None

    def before_last(model):
        from keras_reid.training.precise_batch_norm import precise_batch_norm

        cameras = getattr(model.backbone, "num_cameras", 0)
        # Epochs that no training has seen, so that it is the same whenever the training ended.
        last = training.epochs + math.ceil(steps / batches.steps_per_epoch)
        unseen = batches.start(training.epochs, epochs=last)
        inputs = unseen.map(
            lambda images, labels: {"images": images, "cameras": labels["camera"]} if cameras else images
        )
        print(f"batch-norm statistics of {steps} batches")
        precise_batch_norm(model, inputs, steps)

    return before_last


def _show_batch(tensorboard, batches, names):
    from keras_reid.visualization.projector import draw_batch

    images, labels = next(iter(batches.take(1)))
    identities = [names[number] for number in labels["identity"].numpy()]
    tensorboard.image("training batch", draw_batch(images.numpy(), identities))
