"""Pairwise CosFace loss."""

import keras

from keras_reid.losses.base import PairwiseLoss


@keras.saving.register_keras_serializable(package="keras_reid")
class CosFaceLoss(PairwiseLoss):
    """Pairwise CosFace loss over the batch.

    `log(1 + Σ_n exp(γ (s_n + m)) · Σ_p exp(−γ s_p))` for each sample, with its cosine similarities s_p to the
    others of the same identity and s_n to those of other identities. Computed in float32.

    A sample without a positive besides itself, or without a negative, has a loss of 0.

    Args:
        margin: Margin m between the similarities, not negative. Defaults to 0.25.
        scale: Factor γ on the similarities, positive. Defaults to 128.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Identities `(batch,)` or `(batch, 1)`.
        y_pred: Features `(batch, dim)`; normalised inside.

    Raises:
        ValueError: if `margin` is negative or `scale` is not positive, `y_pred` is not a matrix, or a label is no
            whole number (in a compiled step its sample's loss is NaN).

    Example:
        >>> loss = keras_reid.losses.CosFaceLoss(margin=0.25, scale=128)
        >>> float(loss([0, 0, 1, 1], keras.ops.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])))
        0.0

    Source: FastReID, `pairwise_cosface`, after Sun et al., "Circle loss", 2020, without its weights.
    """

    def __init__(
        self, margin=0.25, scale=128.0, reduction="sum_over_batch_size", name="cosface_loss", dtype=None
    ):
        super().__init__(margin, scale, reduction, name, dtype)

    def exponents(self, similarities):
        return -self.scale * similarities, self.scale * (similarities + self.margin)
