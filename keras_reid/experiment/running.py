"""A run: data, model, training, evaluation, results."""

import contextlib
import functools
import math
import time

from keras_reid.cluster import this_worker
from keras_reid.errors import UserError
from keras_reid.experiment.building import build_backbone, build_model, check_saving, compile_model
from keras_reid.experiment.distilling import check_teachers, distilled, load_teachers, outputs_of
from keras_reid.experiment.environment import fingerprint, versions, write_environment
from keras_reid.experiment.following import check_sharing, follow
from keras_reid.experiment.reading import read_datasets
from keras_reid.experiment.results import save_model, write_pages
from keras_reid.experiment.stopping import said_in_words
from keras_reid.files import write_json


def run(experiment, directory, resume=False):
    """Trains and evaluates an experiment and writes its results to a run directory.

    The final metrics and `model.keras` are those of the last epoch; `best.keras` and `best.json` are those of the best
    evaluated one.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`; None in another worker than the chief (see `keras_reid.cluster`), which trains and
            writes nothing.
        resume: continue from the newest checkpoint in the directory, if there is one.

    Returns:
        The metrics by the name of the test set, as written to `metrics.json`; of the chief only.

    Raises:
        UserError: for a mistake in the experiment or its data, before training begins; when the training diverges or
            the disk is full.
        SystemExit: with code 143 after SIGTERM, when a checkpoint is saved.
    """
    import keras
    import tensorflow as tf

    from keras_reid.training.strategy import choose_strategy, from_chief, scope

    training = experiment.training
    strategy = choose_strategy(training.devices)  # before anything is computed
    check_sharing(strategy, experiment.data.sampler)
    keras.config.set_dtype_policy(training.precision)
    keras.utils.set_random_seed(training.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    backbones, teachers = [], []  # built early, because weights may be out of reach

    def build():
        check_teachers(experiment.distillation)
        with scope(strategy):
            backbones.append(build_backbone(experiment))
            teachers.extend(load_teachers(experiment.distillation))

    dataset, tests = read_datasets(experiment.data, before_checking=build)
    with said_in_words(directory):
        taught = outputs_of(experiment.distillation, teachers, dataset)
        batches_from, steps_per_epoch, batch_size = _batches(experiment, dataset, taught, resume)
        with scope(strategy):
            model = _model(experiment, dataset, steps_per_epoch, backbones, teachers, taught)
        if directory is None:
            follow(experiment, strategy, model, dataset, batches_from, steps_per_epoch)
            return {}
        check_saving(model, experiment)
        print(
            f"{model.count_params():,} parameters, {len(dataset.train_labels()[2])} classes, {training.epochs} epochs "
            f"of {steps_per_epoch} steps, {batch_size} images a step; results in {directory.path}"
        )
        retrieval = _train(
            experiment,
            directory,
            resume,
            strategy,
            model,
            dataset,
            tests,
            batches_from,
            steps_per_epoch,
            batch_size,
        )
        evaluations = retrieval.last or retrieval.evaluate(model)
        from_chief(strategy, (), 0)  # the other workers may end
        save_model(model, directory / "model.keras")
        write_pages(experiment, directory, tests, evaluations)
        # Last of all: a run with this file is finished.
        metrics = {name: item.result.to_dict() for name, item in evaluations.items()}
        write_json(directory / "metrics.json", metrics)
    best = retrieval.best
    print(
        f"best: epoch {best.epoch}, {100 * best.value:.1f} % (mean of mAP and Rank-1), {directory / 'best.keras'}"
    )
    return metrics


def _batches(experiment, dataset, more_labels, resume):
    """A function `(epoch, step, epochs)` → the training batches from there on; steps an epoch; images a step."""
    from keras_reid.data.pipeline import train_batches
    from keras_reid.data.pixel_cache import PixelCache
    from keras_reid.data.samplers import draw_batches

    cache = experiment.data.cache
    make = functools.partial(
        train_batches,
        dataset,
        experiment.data.sampler,
        experiment.model.image_size,
        augmentation=experiment.data.augmentation,
        seed=experiment.training.seed,
        pixels=None if cache is None else PixelCache.of([sample.path for sample in dataset.train], cache),
        more_labels=more_labels,
    )

    @functools.lru_cache  # making them traces every augmentation, which takes seconds
    def batches_from(epoch, step=0, epochs=experiment.training.epochs, part=(0, 1)):
        return make(first_epoch=epoch, first_step=step, epochs=epochs, part=part)[0]

    if not resume:
        batches_from(0)  # so that what is wrong with them is said before the model is built
    labels = dataset.train_labels()
    drawn = draw_batches(experiment.data.sampler, *labels, seed=experiment.training.seed, epoch=0)
    return batches_from, *drawn.shape


def _model(experiment, dataset, steps_per_epoch, backbones, teachers, taught):
    """The compiled model."""
    from keras_reid.training.synchronized import synchronize_batch_norm

    _, cameras, classes = dataset.train_labels()
    for backbone in backbones:
        known = getattr(backbone, "num_cameras", 0)
        if known and known <= cameras.max():
            raise UserError(
                f"model.backbone.num_cameras must be at least the {cameras.max() + 1} cameras of the training set. "
                f"Received: {known}"
            )
    model = build_model(experiment, len(classes), *backbones)
    if experiment.training.synchronized_batch_norm:
        synchronize_batch_norm(model)
    model.metadata["provenance"] = {
        "experiment": experiment.name,
        "dataset": dataset.name,
        "seed": experiment.training.seed,
        "versions": versions(),
    }
    if experiment.distillation.wanted:
        model = distilled(model, experiment, teachers, taught)
    compile_model(model, experiment, steps_per_epoch)
    return model


def _train(
    experiment,
    directory,
    resume,
    strategy,
    model,
    dataset,
    tests,
    batches_from,
    steps_per_epoch,
    batch_size,
):
    """Trains; returns the `RetrievalEvaluation`, with the last evaluation unless that was in a former process."""
    from keras_reid.training import callbacks
    from keras_reid.training.callbacks.state import training_variables
    from keras_reid.training.resuming import fit_from
    from keras_reid.training.strategy import StopTogether, distribute, from_chief

    training, evaluation = experiment.training, experiment.evaluation
    names = dataset.train_labels()[2]
    data = fingerprint(dataset)
    best = callbacks.BestModel(directory.path, save_model, training.patience)
    retrieval = callbacks.RetrievalEvaluation(
        tests,
        evaluation.every,
        evaluation.metric,
        evaluation.batch_size,
        evaluation.flip,
        best,
        _precise_batch_norm(training, batches_from, steps_per_epoch),
    )
    log = callbacks.MetricsLog(directory / "metrics.jsonl")
    tensorboard = callbacks.TensorBoardLog(directory / "tensorboard", training.log_every, batch_size)
    # In the middle of an epoch the chief cannot save or stop alone: the running means belong to all workers.
    alone = this_worker().count == 1
    with callbacks.termination() if alone else contextlib.nullcontext(lambda: False) as terminated:
        checkpoints = callbacks.Checkpoints(
            directory / "checkpoints",
            training.checkpoint_every,
            training.checkpoint_minutes if alone else 0,
            data,
            also={"best": best},
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
            _show_batch(tensorboard, batches_from(0), names)
        start = time.monotonic()
        variables = [variable for _, variable in training_variables(model)]
        from_chief(strategy, variables, *position, int(best.exhausted))
        trained = not best.exhausted and fit_from(
            model,
            lambda epoch, step: distribute(
                strategy, lambda index, count: batches_from(epoch, step, part=(index, count))
            ),
            position,
            training.epochs,
            steps_per_epoch,
            [
                callbacks.ProgressLine(batch_size, steps_per_epoch),
                callbacks.NaNGuard(checkpoints, names),
                retrieval,
                log,
                tensorboard,
                checkpoints,
                StopTogether(strategy),
            ],
        )
        tensorboard.close()
    if trained:
        print(f"trained for {time.monotonic() - start:.0f} s")
    else:  # as Keras' fit does at its end
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return retrieval


def _precise_batch_norm(training, batches_from, steps_per_epoch):
    """What is called with the model before its last evaluation, or None."""
    steps = training.precise_bn_batches
    if not steps:
        return None

    def before_last(model):
        from keras_reid.training.precise_batch_norm import precise_batch_norm

        cameras = getattr(model.backbone, "num_cameras", 0)
        # Epochs that no training has seen, so that it is the same whenever the training ended.
        batches = batches_from(training.epochs, epochs=training.epochs + math.ceil(steps / steps_per_epoch))
        inputs = batches.map(
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
