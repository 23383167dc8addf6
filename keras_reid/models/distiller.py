"""Knowledge distillation."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
from keras import ops

from keras_reid.losses import LogitDistillationLoss, PKTLoss
from keras_reid.models.function_loss import FunctionLoss
from keras_reid.models.given_losses import Term
from keras_reid.models.presets import load_preset
from keras_reid.models.reid_model import ReIDModel
from keras_reid.models.self_teacher import SelfTeacher
from keras_reid.models.training_model import TrainingModel
from keras_reid.utils.hints import Tensor


class Distiller(TrainingModel):
    """Trains a student to rank as its teachers do: `loss = Σ losses of the student + w · L_logit + α · L_PKT`.

    Each distillation loss is the mean over the teachers. These are frozen and in inference mode: their weights and
    moving statistics do not change, and nothing is dropped. They see the student's images, augmented as they are,
    resized (bicubic) to their own size where it is another. Or their outputs come with the batch, computed before: the
    labels then have `"teachers"`, a tuple with a dict for each such teacher, of `"scores"` `(batch, classes)` and
    `"embedding"` `(batch, dim)`, as `training.TeacherOutputs` gives them. Both kinds may be mixed.

    Whatever training needs is the student's: call, prediction, freezing, metadata. `save` writes the student alone.

    Args:
        student: a `ReIDModel`, which learns.
        teachers: `ReIDModel`s, run directories, `.keras` files or names of published models. For a `.pth` of FastReID
            pass `weights.build_fastreid(file)`.
        logit_loss: a loss `(teacher's scores, student's scores)`, any of Keras or a function; the name of a kind of
            `LogitDistillationLoss`; or None for no such term. The classes of teacher and student must be the same, in
            the same order. Defaults to "js", as in FastReID's code; "l1" is its paper's.
        pkt_weight: α, of `PKTLoss` between the embeddings; 0 for no such term. Defaults to 1.
        logit_weight: w. Defaults to 1.
        ema_momentum: momentum of a further teacher, the exponential moving average of the student itself, such as
            0.999; None for no such teacher.

    Training: `compile(optimizer, loss=[...])` as a `ReIDModel`, with the losses of the student; the two terms above
    are added, and logged by their names.

    Cost: a forward pass of each teacher a step, and one of the student with `ema_momentum`; next to nothing for
    outputs that come with the batch. Memory: the teachers' weights; nothing of them is kept for the gradient.

    Raises:
        ValueError: if a teacher's number of classes is not the student's and there is a `logit_loss`, or an argument
            makes no sense.
        UserError: if a teacher's file cannot be loaded.

    Example:
        >>> distiller = Distiller(student, ["runs/big"], logit_loss="js", pkt_weight=1.0)  # doctest: +SKIP
        >>> distiller.compile("adam", loss=[losses.CrossEntropy(), losses.TripletLoss()])  # doctest: +SKIP
        >>> distiller.fit(batches)  # doctest: +SKIP
        >>> distiller.save("student.keras")  # doctest: +SKIP

    Source: He et al., FastReID, 2020: `L_kd = L_logit + α L_PKT + L_reid`; its `Distiller` with several teachers and a
    moving average. Deliberate differences: there the teachers stay in training mode, with the batch's statistics and
    with moving statistics that drift, and the moving average keeps constant momentum from random weights on, without
    averaging the moving statistics.
    """

    def __init__(
        self,
        student: ReIDModel,
        teachers: str | os.PathLike[str] | keras.Model | Sequence[str | os.PathLike[str] | keras.Model] = (),
        logit_loss: str | Callable[[Tensor, Tensor], Tensor] | None = "js",
        pkt_weight: float = 1.0,
        logit_weight: float = 1.0,
        ema_momentum: float | None = None,
        name: str = "distiller",
    ) -> None:
        if not isinstance(student, ReIDModel):
            raise ValueError(f"student must be a ReIDModel. Received: {student!r}")
        for argument, value in (("pkt_weight", pkt_weight), ("logit_weight", logit_weight)):
            if not value >= 0:
                raise ValueError(f"{argument} must not be negative. Received: {argument}={value}")
        if ema_momentum is not None and not 0 <= ema_momentum < 1:
            raise ValueError(
                f"ema_momentum must be in [0, 1), or None. Received: ema_momentum={ema_momentum}"
            )
        # As the student, of which it must not cast the images down.
        super().__init__(autocast=False, name=name)
        terms = []
        if logit_loss is not None and logit_weight:
            terms.append((_of_scores(logit_loss), logit_weight))
        if pkt_weight:
            terms.append((PKTLoss(), pkt_weight))
        if not terms:
            raise ValueError("a Distiller needs logit_loss or pkt_weight: without both nothing is distilled.")
        if isinstance(teachers, (str, os.PathLike, keras.Model)):
            teachers = [teachers]
        teachers = [load_preset(x) if isinstance(x, (str, os.PathLike)) else x for x in teachers]
        for teacher in teachers:
            check_teacher(teacher, student, [loss for loss, _ in terms])
        self.student = student
        self._teaching = _Teaching(terms, teachers)
        if ema_momentum is not None:
            self._teaching.follower = SelfTeacher(student, ema_momentum)
        self.build((None, *student.image_size, 3))

    @property
    def backbone(self) -> keras.Model:
        """The student's."""
        return self.student.backbone

    @property
    def pooling(self) -> keras.layers.Layer:
        """The student's."""
        return self.student.pooling

    @property
    def head(self) -> keras.layers.Layer:
        """The student's."""
        return self.student.head

    @property
    def metadata(self) -> dict[str, Any]:
        """The student's."""
        return self.student.metadata

    @property
    def image_size(self) -> tuple[int, int]:
        """The student's `(height, width)` in pixels."""
        return self.student.image_size

    @property
    def training_state(self) -> list[keras.Variable]:
        follower = self._teaching.follower
        return [*super().training_state, *(follower.state_variables if follower else ())]

    def build(self, input_shape: Any = None) -> None:
        """The student is built."""

    @property
    def further_terms(self) -> list[Term]:
        """What the student learns of its teachers, besides its own losses."""
        return [Term(loss.name, loss, float(weight), loss.reads) for loss, weight in self._teaching.terms]

    def compute_outputs(
        self,
        images: Tensor | dict[str, Tensor],
        labels: Tensor | None = None,
        training: bool = False,
        cameras: Tensor | None = None,
    ) -> dict[str, Any]:
        """The student's."""
        return self.student.compute_outputs(images, labels=labels, training=training, cameras=cameras)

    def call(self, images: Tensor | dict[str, Tensor], training: bool = False) -> Tensor:
        return self.student(images, training=training)

    def teacher_outputs(self, images: Tensor, labels: Tensor | dict[str, Any]) -> list[dict[str, Any]]:
        outputs = list(labels.get("teachers", ())) if isinstance(labels, dict) else []
        teachers = self._teaching.teachers
        if self._teaching.follower:
            teachers = [*teachers, self._teaching.follower.model]
        outputs += [teacher.compute_outputs(_resized(images, teacher.image_size)) for teacher in teachers]
        if not outputs:
            raise ValueError(
                "there is no teacher: give Distiller teachers=[...] or an ema_momentum, or the labels "
                '"teachers", which training.TeacherOutputs makes.'
            )
        return outputs

    def after_update(self) -> None:
        if self._teaching.follower:
            self._teaching.follower.follow(self.optimizer.iterations)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the student alone, as a `ReIDModel`."""
        self.student.save(filepath, overwrite=overwrite, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Exports the student: `ReIDModel.export`."""
        self.student.export(filepath, format, verbose, input_signature, **kwargs)


class _Teaching:
    """The losses, and the teachers, hidden from Keras, which would count, train and save them with the model."""

    def __init__(self, terms, teachers):
        self.terms, self.teachers = terms, teachers
        self.follower = None


def check_teacher(teacher: Any, student: ReIDModel, losses: Iterable[keras.Loss]) -> None:
    """Refuses a teacher that a student cannot learn from.

    Args:
        teacher: a `ReIDModel`.
        student: a `ReIDModel`.
        losses: what compares the two.

    Raises:
        ValueError: saying what to do.
    """
    if not isinstance(teacher, ReIDModel):
        raise ValueError(
            f"a teacher must be a ReIDModel, a run directory or a .keras file. Received: {teacher!r}"
        )
    classes, expected = (getattr(model.head, "num_classes", None) for model in (teacher, student))
    compared = [loss.name for loss in losses if getattr(loss, "reads", None) in ("scores", "logits")]
    if compared and None not in (classes, expected) and classes != expected:
        raise ValueError(
            f"{' and '.join(compared)} compares class scores, for which teacher and student must be trained on the "
            f"same identities. Received: a teacher of {classes} classes and a student of {expected}. Leave it out "
            "(logit_loss=None, logit_weight=0) and distil with PKT alone, which needs no classes."
        )


def _of_scores(loss):
    if isinstance(loss, str):
        return LogitDistillationLoss(loss)
    loss = loss if isinstance(loss, keras.Loss) else FunctionLoss(loss)
    if getattr(loss, "target", None) != "teacher":
        loss.reads, loss.target = "scores", "teacher"
    return loss


def _resized(images, size):
    if tuple(images.shape[1:3]) == tuple(size):
        return images
    resized = ops.image.resize(
        ops.cast(images, "float32"),
        size,
        interpolation="bicubic",
        antialias=True,
        data_format="channels_last",
    )
    # Pixels, as the teacher was trained on.
    return ops.clip(ops.round(resized), 0.0, 255.0)
