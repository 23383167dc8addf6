"""Pairwise circle loss."""

import keras
from keras import ops

from keras_reid.losses.base import PairwiseLoss


@keras.saving.register_keras_serializable(package="keras_reid")
class CircleLoss(PairwiseLoss):
    """Pairwise circle loss over the batch.

    `log(1 + Σ_n exp(γ α_n (s_n − m)) · Σ_p exp(−γ α_p (s_p − (1 − m))))` for each sample, with its cosine
    similarities s_p to the others of the same identity and s_n to those of other identities, `α_p = [1 + m −
    s_p]+`, `α_n = [s_n + m]+`; the α are constants to the gradient. Computed in float32.

    A sample without a positive besides itself, or without a negative, has a loss of 0.

    Args:
        margin: Relaxation m of the optimum, not negative. Defaults to 0.25.
        scale: Factor γ on the similarities, positive. Defaults to 128.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Identities `(batch,)` or `(batch, 1)`.
        y_pred: Features `(batch, dim)`; normalised inside.

    Raises:
        ValueError: if `margin` is negative or `scale` is not positive, `y_pred` is not a matrix, or a label is no
            whole number (in a compiled step its sample's loss is NaN).

    Example:
        >>> loss = keras_reid.losses.CircleLoss(margin=0.25, scale=128)
        >>> round(float(loss([0, 0, 1, 1], keras.ops.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]))), 4)
        0.0

    Source: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.
    """

    def __init__(
        self, margin=0.25, scale=128.0, reduction="sum_over_batch_size", name="circle_loss", dtype=None
    ):
        super().__init__(margin, scale, reduction, name, dtype)

    def exponents(self, similarities):
        constant = ops.stop_gradient(similarities)
        weight_positive = ops.relu(1.0 + self.margin - constant)
        weight_negative = ops.relu(constant + self.margin)
        return (
            -self.scale * weight_positive * (similarities - (1.0 - self.margin)),
            self.scale * weight_negative * (similarities - self.margin),
        )
