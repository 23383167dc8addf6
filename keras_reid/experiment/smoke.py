"""The smallest run of an experiment that still crosses every room."""

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from keras_reid.data.samplers import BalancedIdentitySampler, IdentitySampler
from keras_reid.data.synthetic import Synthetic
from keras_reid.experiment.components import SGD, Adam, Backbone, Cosine
from keras_reid.experiment.keys import value_at
from keras_reid.experiment.schema import RUNS, Experiment

if TYPE_CHECKING:
    from keras_reid.models.reid_model import ReIDModel

IMAGE_SIZE = (64, 32)
# The tiny set has 48 training images: two batches of 24, so an epoch is two steps.
BATCH = {"identities_per_batch": 8, "images_per_identity": 3}


def smoke(experiment: Experiment) -> tuple[Experiment, list[str]]:
    """The experiment on the `tiny` synthetic set, with random weights, small images, a shallow backbone and two steps.

    Returns:
        The changed experiment and a list of sentences, one for each substitution.
    """
    changes, said = {}, []

    def substitute(key, new, what):
        changes[key] = new
        if (old := value_at(experiment, key)) != new:
            said.append(f"{what}: {_short(new)} instead of {_short(old)}")

    def at_most(key, most, what):
        substitute(key, min(value_at(experiment, key), most), what)

    name = f"{experiment.name}-smoke"
    changes["name"] = name
    substitute("data.dataset", Synthetic(preset="tiny"), "data set")
    substitute("data.test_datasets", (), "test sets")
    substitute("data.sampler", _sampler(experiment), "sampler")
    changes["data.root"] = RUNS / name / "data"  # the user's own may be read-only
    substitute("data.cache", None, "cache")

    # A backbone of the user's own may be made for one size only.
    if isinstance(experiment.model.backbone, Backbone):
        substitute("model.image_size", IMAGE_SIZE, "image size")
        for field, value in {**experiment.model.backbone.smallest, "pretrained": None}.items():
            substitute(f"model.backbone.{field}", value, f"backbone {field}")

    substitute("training.epochs", 1, "epochs (of two steps)")
    at_most("training.freeze_backbone_steps", 1, "frozen steps")
    substitute("training.patience", 0, "patience")
    at_most("training.precise_bn_batches", 1, "batches for batch-norm statistics")

    if hasattr(experiment.schedule, "warmup_steps"):
        at_most("schedule.warmup_steps", 1, "warm-up steps")
    if isinstance(experiment.schedule, Cosine):
        substitute("schedule.delay_epochs", 0, "delay epochs")
        # The original's way has no epoch left after the warm-up.
        substitute("schedule.counting", "epochs", "counting of the cosine")
    optimizer = experiment.optimizer
    if isinstance(optimizer, (Adam, SGD)) and optimizer.gradient_accumulation_steps:
        substitute("optimizer.gradient_accumulation_steps", 2, "accumulated batches")

    if teachers := experiment.distillation.teachers:
        changes["distillation.teachers"] = tuple(untrained_teacher for _ in teachers)
        changes["distillation.cache"] = RUNS / name / "teacher_outputs"
        if teachers != changes["distillation.teachers"]:
            said.append(f"teachers: {len(teachers)} untrained instead of {teachers!r}")
    if experiment.adaptation.wanted:
        source = Untrained(experiment.with_changes(changes).model)
        changes["adaptation.source"] = source
        if experiment.adaptation.source != source:
            said.append(f"source: random weights instead of {experiment.adaptation.source!r}")
        # Whatever random weights find alike makes batches.
        for field, value in {"eps": 0.9, "min_samples": 1, "k1": 12, "steps_per_epoch": None}.items():
            substitute(f"adaptation.{field}", value, f"adaptation {field}")

    substitute("evaluation.every", 0, "evaluation every")
    if experiment.evaluation.dsr_validation is not None:
        validation = Synthetic(preset="tiny", seed=1)
        substitute("evaluation.dsr_validation", validation, "data set for the share of dsr")
    return experiment.with_changes(changes), said


@dataclass(frozen=True)
class Untrained:
    """Stands for a `ReIDModel` with random weights, from which an `Adaptation` starts.

    Args:
        model: `Experiment.model`.
    """

    model: Any


def untrained_teacher() -> "ReIDModel":
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
