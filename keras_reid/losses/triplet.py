"""Triplet loss with mining inside the batch."""

from typing import Any, Literal

import keras
from keras import ops

from keras_reid.layers.numerics import l2_normalize, softmax
from keras_reid.losses.label_loss import NEVER, LabelLoss, check_rank, same_and_other
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import nan_where_not, whole_numbers

# Floor of a squared distance: the root's gradient at 0 would be infinite; below the floor it is 0.
_SMALLEST_SQUARED_DISTANCE = 1e-12


@keras.saving.register_keras_serializable(package="keras_reid")
class TripletLoss(LabelLoss):
    """Triplet loss: a sample must be nearer to its own identity than to any other, by a margin.

    `loss = [d_p − d_n + margin]+`, or with margin 0 the soft form `log(1 + exp(d_p − d_n))`, for each sample
    of the batch, where by mining `"hard"` d_p is the largest distance to the same identity and d_n the
    smallest to any other, and by mining `"weighted"` both are weighted means: `d_p = Σ softmax(d)·d` over the
    same identity, the sample itself (distance 0) included, and `d_n = Σ softmax(−d)·d` over the others.

    Distances are Euclidean, or with `normalize` the squared Euclidean distance of the normalised features,
    `2 − 2 cos`. All is float32 also under mixed precision.

    A sample without negatives (one identity in the batch) has a loss of 0; one without positives besides
    itself has d_p = 0. Equal features give a gradient of 0 where the root is at its floor, never NaN.

    Args:
        margin: Distance by which negatives must be further, not negative; 0 is the soft margin. Defaults to 0.3.
        mining: "hard" (the hardest positive and negative) or "weighted" (all of them, weighted). Defaults to "hard".
        normalize: Whether the features are L2-normalised first. Defaults to False.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Identities `(batch,)` or `(batch, 1)`; draw several images of each identity into a batch.
        y_pred: Features `(batch, dim)`.

    Raises:
        ValueError: if `margin` is negative, `mining` is unknown, `y_pred` is not a matrix, or a label is no whole
            number (in a compiled step its sample's loss is NaN).

    Example:
        >>> loss = keras_reid.losses.TripletLoss(margin=0.3)
        >>> float(loss([0, 0, 1, 1], keras.ops.array([[0.0, 0], [0, 1], [5, 0], [5, 1]])))
        0.0

    Source: Hermans, Beyer, Leibe, "In defense of the triplet loss for person re-identification", 2017 (hard);
    Ye et al., "Deep learning for person re-identification: a survey and outlook", 2021 (weighted). Where
    FastReID adds 1e-6 to the sum of the weights and so loses them all at large distances, here they always
    sum to 1; its fallback for an infinite soft margin is not needed.
    """

    reads = "feature"

    def __init__(
        self,
        margin: float = 0.3,
        mining: Literal["hard", "weighted"] = "hard",
        normalize: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "triplet_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if margin < 0:
            raise ValueError(
                "`margin` of TripletLoss must be positive, or 0 for the soft margin. "
                f"Received: margin={margin}"
            )
        if mining not in ("hard", "weighted"):
            raise ValueError(
                f"`mining` of TripletLoss must be 'hard' or 'weighted'. Received: mining={mining!r}"
            )
        self.margin = float(margin)
        self.mining = mining
        self.normalize = bool(normalize)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        distances = cosine_distances(y_pred) if self.normalize else euclidean_distances(y_pred)
        labels, right = whole_numbers(y_true, y_pred, "TripletLoss")
        same, other = same_and_other(labels)
        if self.mining == "hard":
            farthest_positive = ops.max(ops.where(same, distances, NEVER), axis=1)
            nearest_negative = ops.min(ops.where(other, distances, -NEVER), axis=1)
        else:
            farthest_positive = _weighted_mean(distances, distances, same)
            nearest_negative = _weighted_mean(distances, -distances, other)
        excess = farthest_positive - nearest_negative
        losses = ops.relu(excess + self.margin) if self.margin > 0 else ops.softplus(excess)
        return nan_where_not(right, ops.where(ops.any(other, axis=1), losses, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "margin": self.margin,
            "mining": self.mining,
            "normalize": self.normalize,
        }


def euclidean_distances(x: Tensor) -> Tensor:
    """Distances `(batch, batch)` between the rows of `x`."""
    # Distances do not change when all rows move together; near the origin the difference of large squares
    # loses least.
    x = x - ops.stop_gradient(ops.mean(x, axis=0, keepdims=True))
    squared_norm = ops.sum(ops.square(x), axis=1)
    squared = squared_norm[:, None] + squared_norm[None, :] - 2.0 * ops.matmul(x, ops.transpose(x))
    return ops.sqrt(ops.maximum(squared * _off_diagonal(x), _SMALLEST_SQUARED_DISTANCE))


def cosine_distances(x: Tensor) -> Tensor:
    """`2 − 2 cos` between the rows of `x`, `(batch, batch)`."""
    x = l2_normalize(x)
    return (2.0 - 2.0 * ops.matmul(x, ops.transpose(x))) * _off_diagonal(x)


def _off_diagonal(x):
    return 1.0 - ops.eye(ops.shape(x)[0], dtype=x.dtype)


def _weighted_mean(values, logits, mask):
    """Mean of each row's masked values with the weights softmax(logits) over the mask."""
    weights = softmax(ops.where(mask, logits, NEVER), axis=1)
    return ops.sum(weights * values, axis=1)
