"""Distillation in a run: the teachers, what they give, and the student that learns from them."""

import contextlib
import os
import random
from pathlib import Path

from keras_reid.errors import UserError
from keras_reid.experiment.building import build_logit_loss, check_saving
from keras_reid.model_file import find_model_file


def check_teachers(settings):
    """Looks whether the teachers' files are there, which costs nothing.

    Args:
        settings: `Experiment.distillation`.

    Raises:
        UserError: naming the field and the file.
    """
    for teacher in settings.teachers:
        if isinstance(teacher, (str, os.PathLike)):
            with _naming_the_field():
                if Path(teacher).suffix != ".pth":
                    find_model_file(teacher)
                elif not Path(teacher).is_file():
                    raise UserError(f"{teacher}: there is no such file.")


def load_teachers(settings):
    """The teachers as `ReIDModel`s. The student's random weights are as if there were none.

    Raises:
        UserError: naming the field, if one cannot be loaded or is no `ReIDModel`.
    """
    check_teachers(settings)
    before = random.getstate()  # of which Keras draws the seeds of weights
    try:
        with _naming_the_field():
            return [_load(teacher) for teacher in settings.teachers]
    finally:
        random.setstate(before)


def outputs_of(settings, teachers, dataset):
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
            print(said + (": were its identities others, or in another order?" if share < 0.5 else ""))
    return outputs


def distilled(student, experiment, teachers, outputs):
    """The student within a `Distiller`.

    Args:
        student: a `ReIDModel`, not compiled.
        experiment: an `Experiment` with a `distillation`.
        teachers: what `load_teachers` gave.
        outputs: what `outputs_of` gave; where there are any the teachers themselves are not kept.

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


def _load(teacher):
    from keras_reid.models import ReIDModel, load_model
    from keras_reid.weights import build_fastreid
    from keras_reid.weights.fastreid_yaml import config_beside

    if isinstance(teacher, (str, os.PathLike)):
        if Path(teacher).suffix == ".pth":
            return build_fastreid(teacher, config_beside(teacher))
        return load_model(teacher)
    model = teacher() if callable(teacher) and not isinstance(teacher, ReIDModel) else teacher
    if not isinstance(model, ReIDModel):
        raise UserError(
            "must hold run directories, .keras files, .pth files of FastReID, or functions that return a ReIDModel. "
            f"Received: {model!r}"
        )
    return model


def _weights(settings):
    """By the output that a term compares."""
    return {
        "scores": settings.logit_weight if settings.logit_loss is not None else 0.0,
        "embedding": settings.pkt_weight,
    }


def _named(settings):
    """What a student's metadata say of its teachers."""
    names = [
        str(x) if isinstance(x, (str, os.PathLike)) else getattr(x, "__name__", type(x).__name__)
        for x in settings.teachers
    ]
    return [*names, *(["moving average of itself"] if settings.ema_momentum is not None else [])]


@contextlib.contextmanager
def _naming_the_field():
    try:
        yield
    except UserError as error:
        raise UserError(f"distillation.teachers: {error}") from error
