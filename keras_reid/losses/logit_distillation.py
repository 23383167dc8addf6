"""Distance between the class scores of a teacher and of a student."""

from typing import Any, Literal

import keras
from keras import ops

from keras_reid.losses.label_loss import check_one_a_row, check_rank
from keras_reid.utils.hints import Tensor

KINDS = ("l1", "js", "kl")


@keras.saving.register_keras_serializable(package="keras_reid")
class LogitDistillationLoss(keras.losses.Loss):
    """How far the student's class scores `s` are from the teacher's `t`, for each sample.

    With p = softmax(t / T), q = softmax(s / T), T the temperature:

    - "l1": `Σ_c |s_c − t_c|`, of the scores as they are;
    - "kl": `T² · KL(p ‖ q) = T² Σ_c p_c (log p_c − log q_c)`;
    - "js": `T² · ½ [KL(p ‖ q) + KL(q ‖ p)]`, in one sum `T² · ½ Σ_c (p_c − q_c)(log p_c − log q_c)`, whose terms are
      never negative and exactly 0 for equal scores.

    T² keeps the gradient of the same size whatever the temperature is. Nothing flows back into the teacher. Computed in
    float32, from logarithms of the softmax, so that it is finite for scores of any size.

    Args:
        kind: "l1" (the sum of the differences), or a divergence of the softmax: "js" (symmetric) or "kl" (from the
            teacher's to the student's). Defaults to "js".
        temperature: Divides the scores of "js" and "kl", positive: the higher, the more the order of the wrong
            classes counts. Defaults to 16.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: The teacher's scores `(batch, classes)`, without margin.
        y_pred: The student's, for the same classes in the same order.

    Attributes:
        reads: "scores": what `models.Distiller` hands over, of student and teacher.

    Raises:
        ValueError: if `kind` is another, `temperature` is not positive, or the scores are no matrices of one shape, as
            class labels are not.

    Example:
        >>> loss = keras_reid.losses.LogitDistillationLoss("l1")
        >>> float(loss(keras.ops.array([[1.0, 2.0]]), keras.ops.array([[1.5, 1.0]])))
        1.5

    Source: He et al., FastReID, 2020 (its paper has "l1"); FastReID's `Distiller` ("js", which its authors call
    Jensen-Shannon; it is half the Jeffreys divergence) and DistillReID ("kl"), both with a temperature of 16; Hinton et
    al., "Distilling the knowledge in a neural network", 2015.
    """

    reads, target = "scores", "teacher"

    def __init__(
        self,
        kind: Literal["l1", "js", "kl"] = "js",
        temperature: float = 16.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "logit_distillation",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if kind not in KINDS:
            raise ValueError(
                f"`kind` of LogitDistillationLoss must be one of {', '.join(KINDS)}. Received: kind={kind!r}"
            )
        if not temperature > 0:
            raise ValueError(
                f"`temperature` of LogitDistillationLoss must be positive. Received: temperature={temperature}"
            )
        self.kind = kind
        self.temperature = float(temperature)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        if len(y_true.shape) != 2 or y_true.shape[-1] != y_pred.shape[-1]:
            raise ValueError(
                "LogitDistillationLoss compares scores of the same classes. Received: the teacher's of shape "
                f"{tuple(y_true.shape)}, the student's of shape {tuple(y_pred.shape)}"
            )
        check_one_a_row(self, y_true, y_pred)
        teacher = ops.stop_gradient(y_true)
        if self.kind == "l1":
            return ops.sum(ops.abs(y_pred - teacher), axis=-1)
        log_p = ops.log_softmax(teacher / self.temperature, axis=-1)
        log_q = ops.log_softmax(y_pred / self.temperature, axis=-1)
        p = ops.exp(log_p)
        weight = p if self.kind == "kl" else 0.5 * (p - ops.exp(log_q))
        return self.temperature**2 * ops.sum(weight * (log_p - log_q), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "temperature": self.temperature}
