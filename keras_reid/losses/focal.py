"""Focal loss."""

from typing import Any

import keras
from keras import ops

from keras_reid.losses.label_loss import LabelLoss, check_rank
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import class_numbers, nan_where_not

# Floor of 1 − p: with an exponent below 1 the weight's slope at 1 − p = 0 would be infinite. Far below what
# float32 tells from 0 there (1.2e-7), so that it changes no value.
_SMALLEST_MISS = 1e-12


@keras.saving.register_keras_serializable(package="keras_reid")
class FocalLoss(LabelLoss):
    """Softmax cross-entropy that weighs a sample the less, the better it is classified.

    `loss = −alpha · (1 − p)^gamma · log p` for each sample, where `p = softmax(z)_label`; the weight is part
    of the gradient. Computed in float32 from the logarithm of the softmax, so that value and gradient are
    finite for logits of any size, and for every `gamma`: at p = 1 both are 0 (`gamma` below 1 has an
    infinite slope of the weight there, which log p = 0 cancels).

    Args:
        alpha: Factor on the loss, positive. Defaults to 0.25.
        gamma: Exponent of the weight, not negative: the larger, the less well-classified samples count. 0 is the
            cross-entropy times `alpha`. Defaults to 2.0.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Class indices `(batch,)` or `(batch, 1)`, from 0 to classes − 1.
        y_pred: Logits `(batch, classes)`.

    Raises:
        ValueError: if `alpha` is not positive, `gamma` is negative, `y_pred` is not a matrix, or a label is not
            a class. In a compiled step, where nothing can be raised, the loss of a sample without a class is NaN.

    Example:
        >>> loss = keras_reid.losses.FocalLoss(alpha=0.25, gamma=2.0)
        >>> round(float(loss([0, 1], keras.ops.array([[2.0, 0.0], [2.0, 0.0]]))), 4)
        0.2065

    Source: Lin et al., "Focal loss for dense object detection", 2017, with the softmax in place of the
    sigmoid, as in FastReID's `focal_loss`.
    """

    reads = "logits"

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "focal_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not alpha > 0:
            raise ValueError(f"`alpha` of FocalLoss must be positive. Received: alpha={alpha}")
        if not gamma >= 0:
            raise ValueError(
                "`gamma` of FocalLoss must not be negative; 0 weighs all samples alike. "
                f"Received: gamma={gamma}"
            )
        self.alpha = float(alpha)
        self.gamma = float(gamma)

    def labels_below(self, classes: int | None) -> int | None:
        return classes

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        classes = y_pred.shape[-1]
        labels, right = class_numbers(y_true, y_pred, "FocalLoss", classes)
        target = ops.one_hot(labels, classes, dtype=y_pred.dtype)
        log_p = ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)
        miss = ops.maximum(-ops.expm1(log_p), _SMALLEST_MISS)
        return nan_where_not(right, -self.alpha * ops.power(miss, self.gamma) * log_p)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "gamma": self.gamma}
