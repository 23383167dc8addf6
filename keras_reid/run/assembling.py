"""The two that a training needs: batches and a compiled model."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from keras_reid.run.environment import versions
from keras_reid.run.model import build_model, compile_model
from keras_reid.run.stages.adaptation import CLASSES, memory_of, start_from
from keras_reid.run.stages.distillation import distilled
from keras_reid.utils.errors import UserError


@dataclass(frozen=True)
class Batches:
    """Training batches from any step on."""

    start: Callable
    """`(epoch, step=0)` → the batches from there on; also `epochs`, to which they go, and `part`, of several workers"""
    steps_per_epoch: int
    batch_size: int
    """images"""


def make_batches(experiment, dataset, more_labels, resume, target):
    """The training batches.

    Args:
        experiment: an `Experiment`.
        dataset: its data set.
        more_labels: what teachers gave for each training image; None or a dict.
        resume: whether a run goes on; else the first batches are made at once, so that what is wrong with them is said.
        target: the `Target` of an adaptation, or None.

    Returns:
        `Batches`.

    Raises:
        UserError: as the sampler and the augmentation.
    """
    from keras_reid.data.pipeline import train_batches
    from keras_reid.data.pixel_cache import PixelCache
    from keras_reid.data.samplers import draw_batches

    cache = experiment.data.cache
    make = functools.partial(
        train_batches,
        image_size=experiment.model.image_size,
        augmentation=experiment.data.augmentation,
        seed=experiment.training.seed,
        pixels=None if cache is None else PixelCache.of([sample.path for sample in dataset.train], cache),
        more_labels=more_labels,
    )
    if target is not None:
        target.make_batches = make
        return Batches(target.batches_from, target.steps, target.images_per_batch)

    @functools.lru_cache  # making them traces every augmentation, which takes seconds
    def batches_from(epoch, step=0, epochs=experiment.training.epochs, part=(0, 1)):
        position = {"first_epoch": epoch, "first_step": step, "epochs": epochs}
        return make(dataset, experiment.data.sampler, part=part, **position)[0]

    if not resume:
        batches_from(0)  # so that what is wrong with them is said before the model is built
    labels = dataset.train_labels()
    drawn = draw_batches(experiment.data.sampler, *labels, seed=experiment.training.seed, epoch=0)
    return Batches(batches_from, *drawn.shape)


def assemble_model(experiment, parts, steps_per_epoch, taught, target):
    """The compiled model of a run.

    Args:
        experiment: an `Experiment`.
        parts: its `Parts`.
        steps_per_epoch: batches.
        taught: what teachers gave for each training image, or None.
        target: the `Target` of an adaptation, which is given the model, or None.

    Raises:
        UserError: naming the field whose component refuses its arguments.
    """
    from keras_reid.training.synchronized import synchronize_batch_norm

    _, cameras, classes = parts.dataset.train_labels()
    for backbone in parts.backbones:
        known = getattr(backbone, "num_cameras", 0)
        if known and known <= cameras.max():
            raise UserError(
                f"model.backbone.num_cameras must be at least the {cameras.max() + 1} cameras of the training set. "
                f"Received: {known}"
            )
    model = build_model(experiment, len(classes) if target is None else CLASSES, *parts.backbones)
    if experiment.training.synchronized_batch_norm:
        synchronize_batch_norm(model)
    model.metadata["provenance"] = {
        "experiment": experiment.name,
        "dataset": parts.dataset.name,
        "seed": experiment.training.seed,
        "versions": versions(),
    }
    if experiment.distillation.wanted:
        model = distilled(model, experiment, parts.teachers, taught)
    if target is not None:
        start_from(model, *parts.sources, experiment)
    compile_model(model, experiment, steps_per_epoch, target and target.most_clusters)
    if target is not None:
        target.memory = memory_of(model)
        target.set_model(model)
    return model
