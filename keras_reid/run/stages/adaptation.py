"""Adaptation: a trained model goes on with images of another domain, whose identities nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.run.stages.stage import Stage
from keras_reid.run.stages.trained_models import check_trained, load_trained, name_of
from keras_reid.utils.errors import UserError
from keras_reid.utils.workers import this_worker

if TYPE_CHECKING:
    from keras_reid.experiment import schema
    from keras_reid.experiment.schema import Experiment
    from keras_reid.models.reid_model import ReIDModel
    from keras_reid.run.data import Datasets


class Adaptation(Stage):
    """Starts from the source's weights, and takes clusters of the target's images for identities.

    The head's classifier is put out of use: clusters are told apart by their memory.
    """

    labelled = False

    @staticmethod
    def wanted(experiment: Experiment) -> bool:
        return experiment.adaptation.wanted

    def check(self) -> None:
        from keras_reid.training.adaptation import check_installed

        check_installed()
        _check_together(self.experiment)
        check_trained("adaptation.source", self.experiment.adaptation.source)

    def load(self, datasets: Datasets, trust_code: bool) -> None:
        self._source = load_source(self.experiment.adaptation, trust_code)

    def batches(self, batches: Any) -> Any:
        from keras_reid.training.adaptation import Target

        settings = self.experiment.adaptation
        self._target = Target(
            batches.dataset,
            self.experiment.data.sampler,
            batches.make,
            settings.steps_per_epoch,
            self.experiment.evaluation.batch_size,
            settings.target_statistics,
            settings.eps,
            settings.min_samples,
            settings.k1,
            settings.k2,
        )
        return self._target

    def prepare(self, model: Any) -> Any:
        start_from(model, self._source, self.experiment)
        return model

    def callbacks(self, model: Any) -> dict[str, Any]:
        from keras_reid.training.adaptation import cluster_memory

        cluster_memory(model)  # rejects other losses
        return {"target": self._target}


def load_source(settings: schema.Adaptation, trust_code: bool = False) -> ReIDModel:
    """The `ReIDModel` that an adaptation starts from."""
    (source,) = load_trained("adaptation.source", [settings.source], trust_code)
    return source


def start_from(model: ReIDModel, source: ReIDModel, experiment: Experiment) -> None:
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


def _check_together(experiment):
    """Rejects settings of the experiment that an adaptation cannot have."""
    training = experiment.training
    for key, value, wrong, reason in (
        (
            "distillation",
            "teachers",
            experiment.distillation.wanted,
            "the identities of a teacher are not the clusters",
        ),
        (
            "training.devices",
            training.devices,
            training.devices not in (None, 1) or this_worker().count > 1,
            "it runs on one device",
        ),
        (
            "training.precise_bn_batches",
            training.precise_bn_batches,
            training.precise_bn_batches,
            "there are no clusters for further batches",
        ),
    ):
        if wrong:
            raise UserError(
                f"{key} must be left at its default with an adaptation: {reason}. Received: {value}"
            )


def _classifiers(head):
    """Every classification layer of a head, of each branch."""
    from keras_reid.layers.margin import ClassificationLayer
    from keras_reid.utils.keras_internals import layers_within

    own = getattr(head, "classifier", None)
    return [layer for layer in layers_within(head) if layer is own or isinstance(layer, ClassificationLayer)]


def _without(variables, layers):
    left_out = {id(variable) for layer in layers for variable in layer.variables}
    # The random states of dropout do not come from the source.
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
