"""From descriptions to Keras objects, once the data is known."""

import dataclasses
import inspect

from keras_reid.errors import UserError
from keras_reid.experiment.component import Component, build
from keras_reid.experiment.components import ViT


def build_backbone(experiment):
    """The backbone of an experiment; fetches its pretrained weights, if it starts from any.

    Raises:
        UserError: naming the field, if it refuses its arguments or its weights are out of reach.
    """
    settings = experiment.model
    # Position embeddings belong to one image size.
    late = {"image_size": settings.image_size} if isinstance(settings.backbone, ViT) else {}
    return _build("model.backbone", settings.backbone, **late)


def build_model(experiment, num_classes, backbone=None):
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
    parts = {
        "backbone": build_backbone(experiment) if backbone is None else backbone,
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
        raise UserError(f"model: the parts do not fit together: {error}") from error


def check_saving(model, experiment):
    """Refuses a model with parts of the user's own that could not be saved, before it is trained.

    Raises:
        UserError: saying what to do.
    """
    settings = experiment.model
    if all(_is_described(part) for part in (settings.backbone, settings.pooling, settings.head)):
        return
    try:
        type(model).from_config(model.get_config())
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(
            "model: a part of your own cannot be saved. Decorate its class with "
            "@keras.saving.register_keras_serializable() and give it a get_config() with its constructor's arguments. "
            f"Keras says: {reason[:300]}"
        ) from error


def _is_described(part):
    return isinstance(part, Component) and all(
        _is_described(value)
        for value in (getattr(part, field.name) for field in dataclasses.fields(part))
        if callable(value) or dataclasses.is_dataclass(value)
    )


def compile_model(model, experiment, steps_per_epoch):
    """Compiles a model as the experiment says."""
    from keras_reid.models.terms import FunctionLoss

    epochs = experiment.training.epochs
    losses, weights = [], []
    for name, description in experiment.losses.items():
        # A function is the loss itself, not something that makes one.
        if inspect.isfunction(description):
            loss = FunctionLoss(description)
        else:
            loss = _build(f"losses.{name}", description)
        loss.name = name
        losses.append(loss)
        weights.append(experiment.loss_weights.get(name, 1.0))
    optimizer = _build("optimizer", experiment.optimizer)
    schedule = experiment.schedule
    rate = _build(
        "schedule",
        schedule,
        learning_rate=float(optimizer.learning_rate),
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
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    return model


def _build(key, description, **late):
    try:
        return build(description, **late)
    except (ValueError, TypeError) as error:
        raise UserError(f"{key}: {error}") from error
