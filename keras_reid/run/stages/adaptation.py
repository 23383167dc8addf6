"""Adaptation in a run: the source, the model that starts from it, and the target."""

import numpy as np

from keras_reid.run.stages.trained_models import check_trained, load_trained, name_of
from keras_reid.utils.errors import UserError
from keras_reid.utils.workers import this_worker

CLASSES = 1  # of the head, whose classifier stands idle: a layer needs at least one


def check_adaptation(experiment):
    """Refuses what does not go with an adaptation, and a source that is missing, before anything is computed.

    Raises:
        UserError: naming the field.
    """
    from keras_reid.training.adaptation import check_installed

    settings = experiment.adaptation
    if not settings.wanted:
        return
    check_installed()
    for key, value, wrong, reason in (
        (
            "distillation",
            "teachers",
            experiment.distillation.wanted,
            "the identities of a teacher are none of the clusters",
        ),
        (
            "training.devices",
            experiment.training.devices,
            experiment.training.devices not in (None, 1) or this_worker().count > 1,
            "it runs on one device",
        ),
        (
            "training.precise_bn_batches",
            experiment.training.precise_bn_batches,
            experiment.training.precise_bn_batches,
            "there are no clusters for further batches",
        ),
    ):
        if wrong:
            raise UserError(
                f"{key} must be left at its default with an adaptation: {reason}. Received: {value}"
            )
    check_trained("adaptation.source", settings.source)


def load_source(settings, trust_code=False):
    """The source, a list of one `ReIDModel`, or of none where there is no adaptation."""
    return load_trained("adaptation.source", [settings.source], trust_code) if settings.wanted else []


def target_of(experiment, dataset):
    """The `Target` of an experiment; None where there is no adaptation."""
    settings = experiment.adaptation
    if not settings.wanted:
        return None
    from keras_reid.training.adaptation import Target

    return Target(
        dataset,
        experiment.data.sampler,
        settings.steps_per_epoch,
        experiment.evaluation.batch_size,
        settings.target_statistics,
        eps=settings.eps,
        min_samples=settings.min_samples,
        k1=settings.k1,
        k2=settings.k2,
    )


def start_from(model, source, experiment):
    """Gives a model the weights of the source, all but those of the classifier, which is put out of use.

    Args:
        model: a `ReIDModel`, not compiled.
        source: another of the same backbone, pooling and head.
        experiment: an `Experiment` with an `adaptation`.

    Raises:
        UserError: the two differ in more than the classifier, or in what is done to an image before.
    """
    for key in ("image_size", "interpolation", "pixel_mean", "pixel_std"):
        own, theirs = model.metadata[key], source.metadata[key]
        same = own == theirs if isinstance(own, str) else np.allclose(own, theirs)
        if not same:
            raise UserError(
                f"adaptation.source and the experiment must prepare images alike: {key} is {theirs} in the source and "
                f"{own} here; set model.{key} to it"
            )
    for part in ("backbone", "pooling", "head"):
        variables, others = (
            _without(getattr(one, part).variables, _classifiers(one.head)) for one in (model, source)
        )
        shapes, other_shapes = ([tuple(variable.shape) for variable in all] for all in (variables, others))
        if shapes != other_shapes:
            raise UserError(
                f"adaptation.source must have the {part} that model.{part} describes. "
                f"{_first_difference(variables, others)}"
            )
        for variable, other in zip(variables, others, strict=True):
            variable.assign(other)
    for layer in _classifiers(model.head):
        layer.trainable = False
    named = name_of(experiment.adaptation.source)
    model.metadata["provenance"] = {**model.metadata["provenance"], "source": named}


def memory_of(model):
    """The `ClusterMemoryLoss` of a compiled model.

    Raises:
        UserError: there is not exactly one, or another loss reads the class scores.
    """
    from keras_reid.losses import ClusterMemoryLoss

    losses = model.losses_by_name
    if wrong := [name for name, loss in losses.items() if getattr(loss, "reads", "logits") == "logits"]:
        raise UserError(
            "losses must not read class scores with an adaptation, whose model has no classifier: use "
            f"ClusterMemoryLoss(), beside it metric losses such as TripletLoss(). Received: {', '.join(wrong)}"
        )
    memories = [loss for loss in losses.values() if isinstance(loss, ClusterMemoryLoss)]
    if len(memories) != 1:
        raise UserError(
            "losses must hold one ClusterMemoryLoss() with an adaptation. "
            f"Received: {', '.join(losses) or 'none'}"
        )
    return memories[0]


def _classifiers(head):
    """Every classification layer of a head, of each branch."""
    from keras_reid.layers.margin.base import ClassificationLayer

    own = getattr(head, "classifier", None)
    return [
        layer for layer in head._flatten_layers() if layer is own or isinstance(layer, ClassificationLayer)
    ]


def _without(variables, layers):
    left_out = {id(variable) for layer in layers for variable in layer.variables}
    # The random states of dropout are of no source.
    return [
        variable
        for variable in variables
        if id(variable) not in left_out and "seed_generator" not in variable.path
    ]


def _first_difference(variables, others):
    for own, other in zip(variables, others, strict=False):
        if own.shape != other.shape:
            return f"Received: {other.path} {tuple(other.shape)} where {own.path} {tuple(own.shape)} is described"
    return f"Received: {len(others)} variables where {len(variables)} are described"
