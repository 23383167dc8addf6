"""Distillation: the model learns from teachers too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keras_reid.run.model import build_logit_loss, check_saving
from keras_reid.run.stages.stage import Stage
from keras_reid.run.stages.trained_models import check_trained, load_trained, name_of
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.experiment import schema
    from keras_reid.experiment.schema import Experiment
    from keras_reid.models.distiller import Distiller
    from keras_reid.models.reid_model import ReIDModel
    from keras_reid.run.data import Datasets
    from keras_reid.training.teacher_outputs import TeacherOutputs


class Distillation(Stage):
    """Puts the model into a `Distiller`, with what its teachers give for each image."""

    @staticmethod
    def wanted(experiment: Experiment) -> bool:
        return experiment.distillation.wanted

    def check(self) -> None:
        check_teachers(self.experiment.distillation)

    def load(self, datasets: Datasets, trust_code: bool) -> None:
        self._teachers = load_teachers(self.experiment.distillation, trust_code)

    def batches(self, batches: Any) -> Any:
        self._outputs = plain_outputs(self.experiment.distillation, self._teachers, batches.dataset)
        return replace(batches, more_labels=self._outputs)

    def prepare(self, model: Any) -> Any:
        return with_teachers(model, self.experiment, self._teachers, self._outputs)


def check_teachers(settings: schema.Distillation) -> None:
    """Checks that the files of the teachers exist, without loading them.

    Args:
        settings: `Experiment.distillation`.

    Raises:
        UserError: naming the field and the file.
    """
    for teacher in settings.teachers:
        check_trained("distillation.teachers", teacher)


def load_teachers(settings: schema.Distillation, trust_code: bool = False) -> list[ReIDModel]:
    """The teachers as `ReIDModel`s. Loading them does not advance the global seed.

    Raises:
        UserError: naming the field, if a teacher cannot be loaded or is not a `ReIDModel`.
    """
    check_teachers(settings)
    return load_trained("distillation.teachers", settings.teachers, trust_code)


def plain_outputs(
    settings: schema.Distillation, teachers: Sequence[ReIDModel], dataset: ReIDDataset
) -> TeacherOutputs | None:
    """What teachers give for the plain training images, a `TeacherOutputs`; None where they see the augmented ones.

    Says how many of the images each teacher recognises.
    """
    if not teachers or settings.teacher_input == "augmented":
        return None
    from keras_reid.training import TeacherOutputs

    compared = [name for name, weight in _weights(settings).items() if weight]
    outputs = TeacherOutputs.of(
        teachers, [sample.path for sample in dataset.train], settings.cache, outputs=compared
    )
    identities, _, _ = dataset.train_labels()
    if "scores" in compared and teachers[0].head.num_classes == identities.max() + 1:
        for teacher, share in zip(settings.teachers, outputs.accuracies(identities), strict=True):
            said = f"teacher {teacher}: recognises {100 * share:.1f} % of the training images"
            print(
                said + (". Was it trained on other identities, or in another order?" if share < 0.5 else "")
            )
    return outputs


def with_teachers(
    student: ReIDModel, experiment: Experiment, teachers: Sequence[ReIDModel], outputs: TeacherOutputs | None
) -> Distiller:
    """The student within a `Distiller`.

    Args:
        student: a `ReIDModel`, not compiled.
        experiment: an `Experiment` with a `distillation`.
        teachers: what `load_teachers` gave.
        outputs: what `plain_outputs` gave; where there are any the teachers themselves are not kept.

    Raises:
        UserError: if a teacher does not suit the student.
    """
    from keras_reid.models import Distiller
    from keras_reid.models.distiller import check_teacher

    settings = experiment.distillation
    if settings.ema_momentum is not None:
        check_saving(student, experiment)  # whose copy is a teacher
    loss = build_logit_loss(settings.logit_loss) if settings.logit_weight else None
    student.metadata["provenance"] = {**student.metadata["provenance"], "teachers": _named(settings)}
    try:
        for teacher in teachers:
            check_teacher(teacher, student, [loss] if loss else [])
        return Distiller(
            student,
            () if outputs else teachers,
            logit_loss=loss,
            logit_weight=settings.logit_weight,
            pkt_weight=settings.pkt_weight,
            ema_momentum=settings.ema_momentum,
        )
    except ValueError as error:
        raise UserError(f"distillation: {' '.join(str(error).split())}") from error


def _weights(settings):
    """By the output that a term compares."""
    return {
        "scores": settings.logit_weight if settings.logit_loss is not None else 0.0,
        "embedding": settings.pkt_weight,
    }


def _named(settings):
    """What a student's metadata say of its teachers."""
    names = [name_of(teacher) for teacher in settings.teachers]
    return [*names, *(["moving average of itself"] if settings.ema_momentum is not None else [])]
