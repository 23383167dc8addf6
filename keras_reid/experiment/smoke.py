"""The smallest run of an experiment that still crosses every room."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from keras_reid.data.samplers import BalancedIdentitySampler, IdentitySampler
from keras_reid.data.synthetic import Synthetic
from keras_reid.experiment.components import SGD, Adam, Backbone, Cosine
from keras_reid.experiment.schema import RUNS, Experiment

IMAGE_SIZE = (64, 32)
# The tiny set has 48 training images: two batches of 24, so an epoch is two steps.
BATCH = {"identities_per_batch": 8, "images_per_identity": 3}


def smoke(experiment):
    """The experiment on the `tiny` synthetic set, with random weights, small images, a shallow backbone and two steps.

    Returns:
        The changed experiment and a list of sentences, one for each substitution.
    """
    said = []

    def substitute(what, old, new):
        if old != new:
            said.append(f"{what}: {_short(new)} instead of {_short(old)}")
        return new

    data, model, training, schedule = (
        experiment.data,
        experiment.model,
        experiment.training,
        experiment.schedule,
    )
    data = replace(
        data,
        dataset=substitute("data set", data.dataset, Synthetic(preset="tiny")),
        test_datasets=substitute("test sets", data.test_datasets, ()),
        sampler=substitute("sampler", data.sampler, _sampler(experiment)),
        # The user's data may be read-only, and is no place for ours.
        root=RUNS / f"{experiment.name}-smoke" / "data",
        cache=substitute("cache", data.cache, None),
    )
    # A backbone of the user's own may be made for one size only.
    if isinstance(model.backbone, Backbone):
        model = replace(model, image_size=substitute("image size", model.image_size, IMAGE_SIZE))
        smaller = {**model.backbone.smallest, "pretrained": None}
        for field, value in smaller.items():
            substitute(f"backbone {field}", getattr(model.backbone, field), value)
        model = replace(model, backbone=replace(model.backbone, **smaller))
    training = replace(
        training,
        epochs=substitute("epochs (of two steps)", training.epochs, 1),
        freeze_backbone_steps=substitute(
            "frozen steps", training.freeze_backbone_steps, min(training.freeze_backbone_steps, 1)
        ),
        patience=substitute("patience", training.patience, 0),
        precise_bn_batches=substitute(
            "batches for batch-norm statistics",
            training.precise_bn_batches,
            min(training.precise_bn_batches, 1),
        ),
    )
    if hasattr(schedule, "warmup_steps"):
        warmup_steps = substitute("warm-up steps", schedule.warmup_steps, min(schedule.warmup_steps, 1))
        schedule = replace(schedule, warmup_steps=warmup_steps)
    if isinstance(schedule, Cosine):
        schedule = replace(
            schedule,
            delay_epochs=substitute("delay epochs", schedule.delay_epochs, 0),
            # The original's way has no epoch left after the warm-up.
            counting=substitute("counting of the cosine", schedule.counting, "epochs"),
        )
    optimizer = experiment.optimizer
    if isinstance(optimizer, (Adam, SGD)) and optimizer.gradient_accumulation_steps:
        steps = substitute("accumulated batches", optimizer.gradient_accumulation_steps, 2)
        optimizer = replace(optimizer, gradient_accumulation_steps=steps)
    distillation = experiment.distillation
    if distillation.teachers:
        untrained = tuple(untrained_teacher for _ in distillation.teachers)
        if distillation.teachers != untrained:
            said.append(f"teachers: {len(untrained)} untrained instead of {distillation.teachers!r}")
        cache = RUNS / f"{experiment.name}-smoke" / "teacher_outputs"
        distillation = replace(distillation, teachers=untrained, cache=cache)
    adaptation = experiment.adaptation
    if adaptation.wanted:
        if adaptation.source != Untrained(model):
            said.append(f"source: random weights instead of {adaptation.source!r}")
        # Whatever random weights find alike makes batches.
        easy = {"eps": 0.9, "min_samples": 1, "k1": 12, "steps_per_epoch": None}
        for field, value in easy.items():
            substitute(f"adaptation {field}", getattr(adaptation, field), value)
        adaptation = replace(adaptation, source=Untrained(model), **easy)
    evaluation = replace(
        experiment.evaluation, every=substitute("evaluation every", experiment.evaluation.every, 0)
    )
    if evaluation.dsr_validation is not None:
        validation = Synthetic(preset="tiny", seed=1)
        validation = substitute("data set for the share of dsr", evaluation.dsr_validation, validation)
        evaluation = replace(evaluation, dsr_validation=validation)
    changed = replace(
        experiment,
        name=f"{experiment.name}-smoke",
        data=data,
        model=model,
        optimizer=optimizer,
        training=training,
        distillation=distillation,
        adaptation=adaptation,
        schedule=schedule,
        evaluation=evaluation,
    )
    return changed, said


@dataclass(frozen=True)
class Untrained:
    """Gives a `ReIDModel` with random weights, as an `Adaptation` may start from.

    Args:
        model: `Experiment.model`.
    """

    model: Any

    def __call__(self):
        from keras_reid.run.model import build_model

        return build_model(Experiment(model=self.model), num_classes=8)


def untrained_teacher():
    """A small `ReIDModel` with random weights for the 8 training identities of the tiny set."""
    from keras_reid import backbones, heads, layers, models

    return models.ReIDModel(
        backbones.ResNet(depth=18, width=16),
        layers.GeMPooling2D(),
        heads.BNNeckHead(8),
        image_size=IMAGE_SIZE,
    )


def _sampler(experiment):
    """One of the same kind, if it needs nothing else than identities."""
    if experiment.adaptation.wanted:  # random weights may find one cluster only
        return IdentitySampler(identities_per_batch=1, images_per_identity=24)
    sampler = experiment.data.sampler
    kind = type(sampler) if isinstance(sampler, BalancedIdentitySampler) else IdentitySampler
    return kind(**BATCH)


def _short(value):
    """`Market1501()` rather than every default of it."""
    if not is_dataclass(value):
        return repr(value)
    default = type(value)
    own = [
        f"{field.name}={getattr(value, field.name)!r}"
        for field in fields(value)
        if getattr(value, field.name) != getattr(default, field.name, None)
    ]
    return f"{default.__name__}({', '.join(own)})"
