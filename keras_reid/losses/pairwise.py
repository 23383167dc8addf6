"""Losses of the cosine similarities of all pairs in a batch."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import l2_normalize
from keras_reid.losses.label_loss import NEVER, LabelLoss, check_rank, same_and_other
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import nan_where_not, whole_numbers


class PairwiseLoss(LabelLoss):
    """A loss of each sample's cosine similarities to the others of its batch, or to a memory (`MemoryLoss`).

    Subclasses give `of_pairs`. It must be 0 for a sample without a positive or without a negative.
    """

    reads = "feature"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        features = l2_normalize(y_pred)
        similarities = ops.matmul(features, ops.transpose(features))
        labels, right = whole_numbers(y_true, y_pred, type(self).__name__)
        same, other = same_and_other(labels)
        itself = ops.eye(ops.shape(y_pred)[0], dtype="bool")
        losses = self.of_pairs(similarities, ops.logical_and(same, ops.logical_not(itself)), other)
        return nan_where_not(right, losses)

    def of_pairs(self, similarities: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """The loss `(rows,)` of cosine similarities `(rows, columns)` and the masks of the pairs that count."""
        raise NotImplementedError


class _ProductLoss(PairwiseLoss):
    """`log(1 + Σ_n exp(negative_n) Σ_p exp(positive_p))` for each sample.

    Subclasses give the two exponents in `exponents(similarities)`.
    """

    def __init__(
        self,
        margin: float,
        scale: float,
        reduction: str | None,
        name: str,
        dtype: str | keras.DTypePolicy | None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if margin < 0:
            raise ValueError(
                f"`margin` of {type(self).__name__} must not be negative. Received: margin={margin}"
            )
        if not scale > 0:
            raise ValueError(f"`scale` of {type(self).__name__} must be positive. Received: scale={scale}")
        self.margin = float(margin)
        self.scale = float(scale)

    def exponents(self, similarities: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def of_pairs(self, similarities: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        positive, negative = self.exponents(similarities)
        positive = ops.where(positives, positive, NEVER)
        negative = ops.where(negatives, negative, NEVER)
        return ops.softplus(ops.logsumexp(positive, axis=1) + ops.logsumexp(negative, axis=1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_reid")
class CircleLoss(_ProductLoss):
    """Pairwise circle loss over the batch.

    `log(1 + Σ_n exp(γ α_n (s_n − m)) · Σ_p exp(−γ α_p (s_p − (1 − m))))` for each sample, with its cosine
    similarities s_p to the others of the same identity and s_n to those of other identities, `α_p = [1 + m −
    s_p]+`, `α_n = [s_n + m]+`; the α are constants to the gradient. Computed in float32.

    A sample without another image of its identity, or without a negative, has a loss of 0.

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
        self,
        margin: float = 0.25,
        scale: float = 128.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(margin, scale, reduction, name, dtype)

    def exponents(self, similarities: Tensor) -> tuple[Tensor, Tensor]:
        constant = ops.stop_gradient(similarities)
        weight_positive = ops.relu(1.0 + self.margin - constant)
        weight_negative = ops.relu(constant + self.margin)
        return (
            -self.scale * weight_positive * (similarities - (1.0 - self.margin)),
            self.scale * weight_negative * (similarities - self.margin),
        )


@keras.saving.register_keras_serializable(package="keras_reid")
class CosFaceLoss(_ProductLoss):
    """Pairwise CosFace loss over the batch.

    `log(1 + Σ_n exp(γ (s_n + m)) · Σ_p exp(−γ s_p))` for each sample, with its cosine similarities s_p to the
    others of the same identity and s_n to those of other identities. Computed in float32.

    A sample without another image of its identity, or without a negative, has a loss of 0.

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
        self,
        margin: float = 0.25,
        scale: float = 128.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosface_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(margin, scale, reduction, name, dtype)

    def exponents(self, similarities: Tensor) -> tuple[Tensor, Tensor]:
        return -self.scale * similarities, self.scale * (similarities + self.margin)
