"""The training of a run, in the chief and in the other workers."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.run.environment import fingerprint, write_environment
from keras_reid.run.results import save_model
from keras_reid.utils.workers import this_worker

if TYPE_CHECKING:
    from keras_reid.evaluation import DatasetEvaluation
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Experiment
    from keras_reid.run.data import Datasets
    from keras_reid.training.callbacks import BestModel


def train(
    experiment: Experiment,
    directory: RunDirectory,
    resume: bool,
    strategy: Any,
    model: Any,
    datasets: Datasets,
    batches: Any,
    stage_callbacks: Mapping[str, Any],
) -> tuple[dict[str, DatasetEvaluation], BestModel]:
    """Trains the model of a run, with all that watches, tests and keeps it.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`.
        resume: continue from the newest checkpoint in the directory, if there is one.
        strategy: over whose devices batches are spread; None for one device.
        model: compiled.
        datasets: `Datasets`.
        batches: `IdentityBatches`, or what stands for them.
        stage_callbacks: what `Stage.callbacks` gave. They come first, and checkpoints keep their states.

    Returns:
        The last evaluation, by the name of the test set, and the `BestModel`.
    """
    from keras_reid.training import callbacks
    from keras_reid.training.strategy import from_chief

    training, evaluation = experiment.training, experiment.evaluation
    print(
        f"{model.count_params():,} parameters, {batches.classes or 'no'} classes, {training.epochs} epochs "
        f"of {batches.steps_per_epoch} steps, {batches.batch_size} images a step; results in {directory.path}"
    )
    assert datasets.train is not None  # what is trained on
    data = fingerprint(datasets.train)
    best = callbacks.BestModel(directory.path, save_model, training.patience)
    retrieval = callbacks.RunEvaluation(
        datasets.tests,
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
            also={"best": best, **stage_callbacks},
            stop=terminated,
        )
        checkpoints.check_room(model)
        position = checkpoints.restore(model) if resume else callbacks.Position()
        if resume:
            log.keep(position.epochs)
            print(
                f"resuming after {position}"
                if any(position)
                else "no checkpoint yet: starting from the beginning"
            )
        write_environment(directory / "environment.json", training.seed, data)
        checkpoints.directory.mkdir(parents=True, exist_ok=True)  # from now on the run has begun
        if training.log_every and not any(position):
            _show_batch(tensorboard, batches.start(model, 0), batches.names)
        start = time.monotonic()
        watching = [
            *stage_callbacks.values(),
            callbacks.ProgressLine(batches.batch_size, batches.steps_per_epoch),
            callbacks.NaNGuard(checkpoints, batches.names),
            retrieval,
            log,
            tensorboard,
            checkpoints,
        ]
        trained = _fit(experiment, strategy, model, batches, watching, position, best.exhausted)
        tensorboard.close()
    if trained:
        print(f"trained for {time.monotonic() - start:.0f} s")
    else:  # as Keras' fit does at its end
        model.optimizer.finalize_variable_values(model.trainable_variables)
    if retrieval.last is None:  # it was in a former process
        retrieval.evaluate(model)
    from_chief(strategy, (), 0)  # the other workers may end
    return retrieval.last or {}, best


def follow(experiment: Experiment, strategy: Any, model: Any, batches: Any) -> None:
    """What another worker than the chief does: it trains with the chief until that ends, and waits while it evaluates.

    Writes nothing.

    Args:
        experiment: an `Experiment`.
        strategy: of several workers.
        model: compiled, as the chief's.
        batches: as the chief's.
    """
    from keras_reid.training import callbacks
    from keras_reid.training.strategy import from_chief

    _fit(experiment, strategy, model, batches, [callbacks.NaNGuard(names=batches.names)])
    from_chief(strategy, (), 0)


def _fit(experiment, strategy, model, batches, callbacks, position=(0, 0), finished=False):
    """Trains from the chief's position on, with the chief's values; whether anything was left to do."""
    from keras_reid.training.callbacks.state import training_variables
    from keras_reid.training.resuming import fit_from
    from keras_reid.training.strategy import StopTogether, distribute, from_chief

    variables = [variable for _, variable in training_variables(model)]
    epoch, step, finished = from_chief(strategy, variables, *position, int(finished))
    return not finished and fit_from(
        model,
        lambda epoch, step: distribute(
            strategy, lambda index, count: batches.start(model, epoch, step, part=(index, count))
        ),
        (epoch, step),
        experiment.training.epochs,
        batches.steps_per_epoch,
        [*callbacks, StopTogether(strategy)],
        batches.renewed,
    )


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
        unseen = batches.start(model, training.epochs, epochs=last)
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
