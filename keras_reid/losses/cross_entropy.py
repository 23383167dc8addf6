"""Cross-entropy with label smoothing."""

from typing import Annotated, Any, Literal

import keras
from keras import ops

from keras_reid.losses.label_loss import LabelLoss, check_rank
from keras_reid.utils.arguments import InExperiments
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import class_numbers, nan_where_not


@keras.saving.register_keras_serializable(package="keras_reid")
class CrossEntropy(LabelLoss):
    """Softmax cross-entropy over identities, with label smoothing.

    `loss = −Σ_j q_j log softmax(z)_j` with `q_label = 1 − ε` and `q_j = ε / (C − 1)` for the C − 1 other
    classes (Keras' own smoothing spreads ε over all C). With "adaptive" smoothing `ε = alpha ·
    softmax(z)_label` for each sample, a constant to the gradient. Computed in float32.

    The mean (the default reduction) divides by the number of samples whose loss is not 0, at least 1, instead
    of by the batch: in a cosine classifier with a large scale the losses of learnt samples are exactly 0 in
    float32. The other reductions, `None` and `"sum"`, see the plain loss of each sample; sample weights
    multiply it, and do not change the divisor.

    Args:
        label_smoothing: Mass ε moved from the true class to the others, from 0 up to (not including) 1; or
            "adaptive", more for surer samples. Defaults to 0.0.
        alpha: Factor of the adaptive smoothing, from 0 to 1. Defaults to 0.2.
        reduction: As in `keras.losses.Loss`; the default is the mean described above.

    Call arguments:
        y_true: Class indices `(batch,)` or `(batch, 1)`, from 0 to classes − 1.
        y_pred: Logits `(batch, classes)`.

    Raises:
        ValueError: if `label_smoothing` or `alpha` is out of range, `y_pred` is not a matrix, or a label is not
            a class. In a compiled step, where nothing can be raised, the loss of a sample without a class is NaN.

    Example:
        >>> loss = keras_reid.losses.CrossEntropy(label_smoothing=0.1)
        >>> round(float(loss([0, 1], keras.ops.array([[2.0, 0.0], [0.0, 2.0]]))), 4)
        0.3269

    Source: Szegedy et al., "Rethinking the Inception architecture", 2016; FastReID, `cross_entropy_loss`.
    """

    reads = "logits"

    def __init__(
        self,
        label_smoothing: Annotated[float | Literal["adaptive"], InExperiments(0.1)] = 0.0,
        alpha: float = 0.2,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cross_entropy",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if label_smoothing != "adaptive" and (
            isinstance(label_smoothing, str) or not 0 <= label_smoothing < 1
        ):
            raise ValueError(
                "`label_smoothing` of CrossEntropy must be from 0 up to, not including, 1, or 'adaptive'. "
                f"Received: label_smoothing={label_smoothing!r}"
            )
        if not 0 <= alpha <= 1:
            raise ValueError(f"`alpha` of CrossEntropy must be from 0 to 1. Received: alpha={alpha}")
        self.label_smoothing = label_smoothing
        self.alpha = float(alpha)

    def labels_below(self, classes: int | None) -> int | None:
        return classes

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        classes = y_pred.shape[-1]
        labels, right = class_numbers(y_true, y_pred, "CrossEntropy", classes)
        target = ops.one_hot(labels, classes, dtype=y_pred.dtype)
        log_probabilities = ops.log_softmax(y_pred, axis=-1)
        if self.label_smoothing == "adaptive":
            probability = ops.exp(ops.sum(target * log_probabilities, axis=-1, keepdims=True))
            epsilon = ops.stop_gradient(self.alpha * probability)
        else:
            epsilon = self.label_smoothing
        smoothed = target * (1.0 - epsilon) + (1.0 - target) * epsilon / max(classes - 1, 1)
        losses = -ops.sum(smoothed * log_probabilities, axis=-1)
        if self.reduction in ("sum_over_batch_size", "mean"):
            # Keras will divide by the batch.
            nonzero = ops.sum(ops.cast(losses != 0, losses.dtype))
            losses = losses * (ops.cast(ops.shape(losses)[0], losses.dtype) / ops.maximum(nonzero, 1.0))
        return nan_where_not(right, losses)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing, "alpha": self.alpha}
