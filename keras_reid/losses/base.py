"""What the losses share."""

import keras
from keras import ops

from keras_reid.layers.numerics import l2_normalize

# Stands for −∞ where a pair does not count: finite, so that no product or difference with it becomes NaN.
NEVER = -1e9


def check_rank(loss, y_pred):
    """Raises ValueError unless `y_pred` is a matrix with one row a sample."""
    if len(y_pred.shape) != 2:
        raise ValueError(
            f"{type(loss).__name__} needs `y_pred` of shape (batch, dimensions). "
            f"Received: shape {tuple(y_pred.shape)}"
        )


def check_whole(loss, **arguments):
    """Raises ValueError unless each argument is a positive whole number."""
    for name, value in arguments.items():
        if not value > 0 or int(value) != value:
            raise ValueError(
                f"`{name}` of {type(loss).__name__} must be a positive whole number. Received: {name}={value!r}"
            )


def kept_variable(loss, name, shape, dtype="float32", initializer="zeros"):
    """What a loss keeps from one step to the next."""
    # Of several devices each has the same memory; that of the first one's batch, unless the batch is gathered.
    return keras.Variable(
        initializer,
        shape=shape,
        dtype=dtype,
        trainable=False,
        aggregation="only_first_replica",
        name=f"{loss.name}_{name}",
    )


def as_labels(y_true):
    """Labels `(batch,)` int32 from `(batch,)` or `(batch, 1)` of any type."""
    return ops.cast(ops.reshape(y_true, (-1,)), "int32")


def same_and_other(y_true):
    """Masks `(batch, batch)` of the pairs of one identity, a sample with itself included, and of two."""
    labels = as_labels(y_true)
    same = ops.expand_dims(labels, 1) == ops.expand_dims(labels, 0)
    return same, ops.logical_not(same)


class PairwiseLoss(keras.losses.Loss):
    """A loss over the cosine similarities of all pairs in the batch.

    `log(1 + Σ_n exp(negative_n) Σ_p exp(positive_p))` for each sample.

    Subclasses give the two exponents in `exponents(similarities)`.
    """

    reads = "feature"

    def __init__(self, margin, scale, reduction="sum_over_batch_size", name=None, dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if margin < 0:
            raise ValueError(
                f"`margin` of {type(self).__name__} must not be negative. Received: margin={margin}"
            )
        if not scale > 0:
            raise ValueError(f"`scale` of {type(self).__name__} must be positive. Received: scale={scale}")
        self.margin = float(margin)
        self.scale = float(scale)

    def exponents(self, similarities):
        raise NotImplementedError

    def call(self, y_true, y_pred):
        check_rank(self, y_pred)
        features = l2_normalize(y_pred)
        similarities = ops.matmul(features, ops.transpose(features))
        same, other = same_and_other(y_true)
        itself = ops.eye(ops.shape(y_pred)[0], dtype="bool")
        return self.of_pairs(similarities, ops.logical_and(same, ops.logical_not(itself)), other)

    def of_pairs(self, similarities, positives, negatives):
        """The loss `(rows,)` of cosine similarities `(rows, columns)` and the masks of the pairs that count."""
        positive, negative = self.exponents(similarities)
        positive = ops.where(positives, positive, NEVER)
        negative = ops.where(negatives, negative, NEVER)
        return ops.softplus(ops.logsumexp(positive, axis=1) + ops.logsumexp(negative, axis=1))

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}
