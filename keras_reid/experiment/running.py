"""A run: data, model, training, evaluation, results."""

import functools
import hashlib
import platform
import time
from pathlib import Path

import numpy as np

from keras_reid.errors import UserError
from keras_reid.experiment.building import (
    build_backbone,
    build_model,
    check_saving,
    compile_model,
)
from keras_reid.experiment.loading import as_dict
from keras_reid.experiment.reading import read_datasets
from keras_reid.files import write_json, written_aside


def run(experiment, directory, resume=False):
    """Trains and evaluates an experiment and writes its results to a run directory.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`.
        resume: continue from the newest checkpoint in the directory, if there is one.

    Returns:
        The metrics by the name of the test set, as written to `metrics.json`.

    Raises:
        UserError: for a mistake in the experiment or its data, before training begins.
    """
    import keras
    import tensorflow as tf

    from keras_reid.data.pipeline import train_batches
    from keras_reid.training import callbacks

    training, evaluation = experiment.training, experiment.evaluation
    keras.config.set_dtype_policy(training.precision)
    keras.utils.set_random_seed(training.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    backbones = []  # built early, because pretrained weights may be out of reach
    dataset, tests = read_datasets(
        experiment.data, before_checking=lambda: backbones.append(build_backbone(experiment))
    )

    batches_from = functools.partial(
        train_batches,
        dataset,
        experiment.data.sampler,
        experiment.model.image_size,
        augmentation=experiment.data.augmentation,
        seed=training.seed,
        epochs=training.epochs,
    )
    batches, steps_per_epoch = batches_from(first_epoch=0)
    _, cameras, classes = dataset.train_labels()
    num_classes = len(classes)
    for backbone in backbones:
        known = getattr(backbone, "num_cameras", 0)
        if known and known <= cameras.max():
            raise UserError(
                f"model.backbone.num_cameras must be at least the {cameras.max() + 1} cameras of the training set. "
                f"Received: {known}"
            )
    model = build_model(experiment, num_classes, *backbones)
    compile_model(model, experiment, steps_per_epoch)
    check_saving(model, experiment)
    batch_size = batches.element_spec[0].shape[0]
    print(
        f"{model.count_params():,} parameters, {num_classes} classes, {training.epochs} epochs of {steps_per_epoch} "
        f"steps, {batch_size} images a step; results in {directory.path}"
    )

    checkpoints = callbacks.Checkpoints(
        directory / "checkpoints", training.checkpoint_every, _fingerprint(dataset)
    )
    log = callbacks.MetricsLog(directory / "metrics.jsonl")
    retrieval = callbacks.RetrievalEvaluation(
        tests, evaluation.every, evaluation.metric, evaluation.batch_size, evaluation.flip
    )
    first_epoch = checkpoints.restore(model) if resume else 0
    if resume:
        log.keep(first_epoch)
        print(f"resuming after epoch {first_epoch}" if first_epoch else "no checkpoint yet: starting anew")
    if first_epoch < training.epochs:
        if first_epoch:
            batches, _ = batches_from(first_epoch=first_epoch)
        start = time.monotonic()
        model.fit(
            batches,
            epochs=training.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=steps_per_epoch,
            verbose=0,
            shuffle=False,  # the batches come in their order
            callbacks=[
                callbacks.ProgressLine(batch_size),
                retrieval,
                log,
                keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False),
                checkpoints,
            ],
        )
        print(f"trained for {time.monotonic() - start:.0f} s")
    evaluations = retrieval.last or retrieval.evaluate(model)

    model.metadata["provenance"] = {
        "experiment": experiment.name,
        "dataset": dataset.name,
        "seed": training.seed,
        "versions": versions(),
    }
    save_model(model, directory / "model.keras")
    metrics = {name: item.result.to_dict() for name, item in evaluations.items()}
    _write_report(experiment, directory, tests, evaluations)
    # Last of all: a run with this file is finished.
    write_json(directory / "metrics.json", metrics)
    return metrics


def _write_report(experiment, directory, tests, evaluations):
    """The page and the picture of ranked lists."""
    from keras_reid.visualization import draw_ranked_lists, ranked_lists, write_report

    lists = {
        dataset.name: ranked_lists(
            [sample.path for sample in dataset.query],
            [sample.path for sample in dataset.gallery],
            evaluations[dataset.name].query,
            evaluations[dataset.name].gallery,
            evaluations[dataset.name].result,
            metric=experiment.evaluation.metric,
            protocol=dataset.protocol,
        )
        for dataset in tests
    }
    results = {name: evaluation.result for name, evaluation in evaluations.items()}
    page = write_report(directory.path, experiment.name, results, as_dict(experiment), versions(), lists)
    for name, of_set in lists.items():
        draw_ranked_lists(of_set, page.with_name(f"ranked_lists_{name}.png"))
    print(f"report: {page}")


def _fingerprint(dataset):
    """Changes with the training images or their labels, with which a resumed run would not be the same run."""
    labels = "\n".join(
        f"{Path(sample.path).name} {sample.identity} {sample.camera}" for sample in dataset.train
    )
    return hashlib.sha256(labels.encode()).hexdigest()


def save_model(model, file):
    """Saves a model without its optimizer, which would triple its size."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with written_aside(file) as aside:
        bare.save(aside)


def versions():
    """Versions of what the numbers depend on."""
    import keras
    import tensorflow as tf

    import keras_reid

    return {
        "keras_reid": keras_reid.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
