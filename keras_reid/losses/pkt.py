"""Probabilistic knowledge transfer."""

import keras
from keras import ops

from keras_reid.layers.numerics import l2_normalize
from keras_reid.losses.label_loss import NEVER, check_one_a_row, check_rank
from keras_reid.utils.hints import Tensor

# Floor of a similarity in [0, 1], near float32's rounding: opposite features have a probability above 0.
_SMALLEST_SIMILARITY = 1e-7


@keras.saving.register_keras_serializable(package="keras_reid")
class PKTLoss(keras.losses.Loss):
    """How far the student's neighbourhoods in the batch are from the teacher's: probabilistic knowledge transfer.

    With `K(f_i, f_j) = (cos(f_i, f_j) + 1) / 2`, every feature j gives the others the probabilities
    `p_{i|j} = K(f_i, f_j) / Σ_{k≠j} K(f_k, f_j)`, of the teacher's features (p) and of the student's (q). The loss of j
    is `Σ_{i≠j} p_{i|j} log(p_{i|j} / q_{i|j})`, and that of the batch their sum over j. It asks for the teacher's order
    of neighbours and not for its features, so that their lengths may differ, and so may the classes.

    Nothing flows back into the teacher. Computed in float32; 0 for equal features of teacher and student, and for
    batches of one and two images, of which a feature has at most one neighbour.

    Args:
        reduction: As in `keras.losses.Loss`. Defaults to "sum", the paper's sum over j.

    Call arguments:
        y_true: The teacher's features `(batch, any)`; normalised inside.
        y_pred: The student's `(batch, dim)`; normalised inside.

    Attributes:
        reads: "embedding": what `models.Distiller` hands over, of student and teacher.

    Cost: two products of batch² · dim; memory 4 · batch² bytes a matrix.

    Raises:
        ValueError: if the features are no matrices, or not of the same number of images.

    Example:
        >>> loss = keras_reid.losses.PKTLoss()
        >>> teacher = keras.ops.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> round(float(loss(teacher, keras.ops.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))), 4)
        0.0963

    Source: Passalis and Tefas, "Learning deep representations with probabilistic knowledge transfer", 2018; He et al.,
    FastReID, 2020.
    """

    reads, target = "embedding", "teacher"
    in_experiments = None  # its weight is all that there is to choose: Distillation.pkt_weight

    def __init__(
        self, reduction: str | None = "sum", name: str = "pkt", dtype: str | keras.DTypePolicy | None = None
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        if len(y_true.shape) != 2:
            raise ValueError(
                "PKTLoss needs the teacher's features of shape (batch, dimensions). "
                f"Received: shape {tuple(y_true.shape)}"
            )
        check_one_a_row(self, y_true, y_pred)
        log_p = _log_probabilities(ops.stop_gradient(y_true))
        log_q = _log_probabilities(y_pred)
        return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=1)


def _log_probabilities(features):
    """`log p_{i|j}` in row j and column i; a probability of 0 on the diagonal."""
    features = l2_normalize(features)
    similarities = 0.5 * (ops.matmul(features, ops.transpose(features)) + 1.0)
    logarithms = ops.log(ops.maximum(similarities, _SMALLEST_SIMILARITY))
    itself = ops.eye(ops.shape(features)[0], dtype="bool")
    logarithms = ops.where(itself, NEVER, logarithms)
    return logarithms - ops.logsumexp(logarithms, axis=1, keepdims=True)
