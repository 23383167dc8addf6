"""From descriptions to Keras objects, once the data is known."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.component import Backbone, Component, Head, Pooling, build
from keras_reid.run.environment import versions
from keras_reid.utils.errors import UserError, reason

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.experiment.schema import Experiment
    from keras_reid.models.reid_model import ReIDModel


def build_backbone(experiment: Experiment) -> Any:
    """The backbone of an experiment; fetches its pretrained weights, if it starts from any.

    Raises:
        UserError: naming the field, if it refuses its arguments, its weights are out of reach, or the pooling would
            destroy what it gives.
    """
    settings = experiment.model
    _check_negatives(settings)
    facts = {"image_shape": lambda key: (*settings.image_size, 3)}
    return _build("model.backbone", settings.backbone, facts)


def build_model(experiment: Experiment, num_classes: int, backbone: Any = None) -> ReIDModel:
    """The compiled-to-be `ReIDModel` of an experiment.

    Args:
        experiment: an `Experiment`.
        num_classes: number of training identities.
        backbone: what `build_backbone` gave, if it was called before.

    Raises:
        UserError: naming the field whose component refuses its arguments.
    """
    from keras_reid.models import ReIDModel

    settings = experiment.model
    if backbone is None:
        backbone = build_backbone(experiment)
    _check_pooling(settings)
    _check_number_of_maps(backbone, settings)
    parts = {
        "backbone": backbone,
        "pooling": _build("model.pooling", settings.pooling),
        "head": _build("model.head", settings.head, num_classes=num_classes),
    }
    try:
        return ReIDModel(
            **parts,
            image_size=settings.image_size,
            pixel_mean=settings.pixel_mean,
            pixel_std=settings.pixel_std,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"model: the parts do not fit together: {_line(error)}") from error


def _check_negatives(settings):
    backbone, pooling = settings.backbone, settings.pooling
    gives = isinstance(backbone, Backbone) and backbone.gives_negatives
    if gives and isinstance(pooling, Pooling) and pooling.cuts_negatives:
        raise UserError(
            f"model.pooling must keep negative values where the backbone is a {type(backbone).__name__}, whose feature "
            f"has them: use IdentityPooling(). Received: {type(pooling).__name__}"
        )


def _check_number_of_maps(backbone, settings):
    maps = len(getattr(backbone, "outputs", None) or "1")
    pooling, head = settings.pooling, settings.head
    of_one_map = [pooling] if isinstance(pooling, Pooling) and pooling.pools else []
    of_one_map += [head] if isinstance(head, Head) and head.takes != "maps" else []
    if maps > 1 and of_one_map:
        raise UserError(
            f"model: the backbone gives {maps} feature maps, which needs pooling=NoPooling() and "
            f"head=MultiGranularityHeads(). Received: {', '.join(type(part).__name__ for part in of_one_map)}"
        )


def _check_pooling(settings):
    pooling, head = settings.pooling, settings.head
    if isinstance(pooling, Pooling) and pooling.pools and isinstance(head, Head) and head.takes == "map":
        raise UserError(
            f"model: {type(head).__name__} reads the feature map itself, which needs pooling=NoPooling(). Received: "
            f"{type(pooling).__name__}"
        )


def check_saving(model: Any, experiment: Experiment) -> None:
    """Refuses a model with parts of the user's own that could not be saved, before it is trained.

    Raises:
        UserError: saying what to do.
    """
    settings = experiment.model
    if all(_is_described(part) for part in (settings.backbone, settings.pooling, settings.head)):
        return
    model = getattr(model, "student", model)  # of a Distiller, which is not saved
    try:
        type(model).from_config(model.get_config())
    except Exception as error:
        raise UserError(
            "model: a part of your own cannot be saved. Decorate its class with "
            "@keras.saving.register_keras_serializable() and give it a get_config() with its constructor's arguments. "
            f"Keras says: {_line(error)[:300]}"
        ) from error


def _is_described(part):
    return isinstance(part, Component) and all(
        _is_described(value)
        for value in (getattr(part, field.name) for field in dataclasses.fields(part))
        if callable(value) or dataclasses.is_dataclass(value)
    )


def compile_model(
    model: Any, experiment: Experiment, steps_per_epoch: float, most_clusters: int | None = None
) -> Any:
    """Compiles a model as the experiment says.

    Args:
        model: what `build_model` gave.
        experiment: an `Experiment`.
        steps_per_epoch: batches. The schedule is told the updates of the weights, fewer under gradient accumulation.
        most_clusters: for which a `ClusterMemoryLoss` needs room; None is one for each identity.
    """
    from keras_reid.models.function_loss import FunctionLoss

    epochs = experiment.training.epochs
    facts = {
        "embedding_dim": lambda key: model.embedding_dim,
        "feature_dim": lambda key: _feature_dim(model, key),
        "num_clusters": lambda key: most_clusters or model.head.num_classes,
        "head_pattern": lambda key: _head_pattern(model, key),
    }
    losses, weights = [], []
    for name, description in experiment.losses.items():
        # A function is the loss itself, not something that makes one.
        if inspect.isfunction(description):
            loss = FunctionLoss(description)
        else:
            loss = _build(f"losses.{name}", description, facts)
        loss.name = name
        losses.append(loss)
        weights.append(experiment.loss_weights.get(name, 1.0))
    optimizer = _build("optimizer", experiment.optimizer, facts)
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    steps_per_epoch /= getattr(inner, "gradient_accumulation_steps", None) or 1
    if steps_per_epoch == int(steps_per_epoch):
        steps_per_epoch = int(steps_per_epoch)
    schedule = experiment.schedule
    rate = _build(
        "schedule",
        schedule,
        learning_rate=float(optimizer.learning_rate.numpy()),
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
    )
    if rate is not None:
        optimizer.learning_rate = rate
    try:
        model.compile(
            optimizer,
            losses=losses,
            loss_weights=weights,
            warmup_steps=getattr(schedule, "warmup_steps", 0),
            warmup_factor=getattr(schedule, "warmup_factor", 0.1),
            warmup_kind=getattr(schedule, "warmup_kind", "linear"),
            freeze_backbone_steps=experiment.training.freeze_backbone_steps,
            freeze_layers=experiment.training.freeze_layers,
            losses_over_replicas=experiment.training.losses_over_replicas,
        )
    except ValueError as error:
        raise UserError(_line(error)) from error
    return model


def build_logit_loss(description: Any) -> Any:
    """The loss that `Experiment.distillation.logit_loss` describes; None for none.

    Raises:
        UserError: naming the field.
    """
    # A function is the loss itself, not something that makes one.
    return description if inspect.isfunction(description) else _build("distillation.logit_loss", description)


def _head_pattern(model, key):
    """A regular expression for the paths of the pooling's and head's variables."""
    in_head = [*model.pooling.trainable_variables, *model.head.trainable_variables]
    names = sorted({variable.path.split("/")[0] for variable in in_head})
    pattern = f"^({'|'.join(map(re.escape, names))})/"
    if shared := [v.path for v in model.backbone.trainable_variables if re.search(pattern, v.path)]:
        raise UserError(
            f"{key}.head_learning_rate_factor: variables of the backbone have the names of the head's, such as "
            f"{shared[0]!r}: give your own layers other names"
        )
    return pattern


def _feature_dim(model, key):
    import keras

    feature = model.compute_outputs(keras.Input((*model.image_size, 3)))["feature"]
    if isinstance(feature, (list, tuple)):
        raise UserError(
            f"{key} needs one feature an image, and this model's head gives {len(feature)}: use a loss without a "
            "memory, such as CosFaceLoss() or CircleLoss()"
        )
    return int(feature.shape[-1])


def _build(key, component, facts=None, **given):
    """The component of a field.

    Args:
        key: the field, for error messages.
        component: a description, a finished object or a callable.
        facts: functions of the key that give what a description may need; only those are called.
        given: what a description needs, and a callable of the user's own is called with.
    """
    if facts and isinstance(component, Component):
        given |= {fact: facts[fact](key) for fact in component.needs if fact in facts}
    try:
        return build(component, **given)
    except (ValueError, TypeError) as error:
        raise UserError(f"{key}: {_line(error)}") from error


def _line(error):
    return " ".join(reason(error).split())


def make_model(
    experiment: Experiment, stages: Any, strategy: Any, dataset: ReIDDataset, backbone: Any, batches: Any
) -> Any:
    """The compiled model of a run.

    Args:
        experiment: an `Experiment`.
        stages: the `Stages` of the run, which may prepare the model or wrap it.
        strategy: in whose scope it is made; None for one device.
        dataset: the training set.
        backbone: what `build_backbone` gave.
        batches: `IdentityBatches`, or what stands for them.

    Raises:
        UserError: naming the field whose component refuses its arguments, or does not suit the data.
    """
    from keras_reid.training.strategy import scope
    from keras_reid.training.synchronized import synchronize_batch_norm

    _check_cameras(backbone, dataset)
    with scope(strategy):
        # Without identities the classifier stands idle, and a layer needs one class.
        model = build_model(experiment, max(1, batches.classes), backbone)
        if experiment.training.synchronized_batch_norm:
            synchronize_batch_norm(model)
        model.metadata["provenance"] = {
            "experiment": experiment.name,
            "dataset": dataset.name,
            "seed": experiment.training.seed,
            "versions": versions(),
        }
        model = stages.prepare(model)
        compile_model(model, experiment, batches.steps_per_epoch, len(batches.names))
    check_saving(model, experiment)
    return model


def _check_cameras(backbone, dataset):
    known = getattr(backbone, "num_cameras", 0)
    cameras = dataset.train_labels()[1].max() + 1
    if known and known < cameras:
        raise UserError(
            f"model.backbone.num_cameras must be at least the {cameras} cameras of the training set. Received: {known}"
        )
