"""A pairwise loss over a memory of past batches."""

from typing import Annotated, Any, Self

import keras
from keras import ops

from keras_reid.layers.numerics import l2_normalize
from keras_reid.losses.label_loss import LabelLoss, check_rank, check_whole, kept_variable
from keras_reid.losses.pairwise import CosFaceLoss, PairwiseLoss
from keras_reid.utils.arguments import Late, Part
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import nan_where_not, whole_numbers


@keras.saving.register_keras_serializable(package="keras_reid")
class MemoryLoss(LabelLoss):
    """A pairwise loss between the batch and a memory of the last features, with their identities.

    Each call first puts the batch's normalised features into a ring of `size` places, over the oldest ones. Then the
    pairwise loss is taken of every sample of the batch with all features in the memory but its own: those of its
    identity are its positives, all others its negatives. So a batch of 64 is compared with thousands. The memory is
    constant to the gradient, which flows into the features of the batch as rows only. It starts empty; places that were
    never filled, or with a feature that is not finite, do not count.

    A sample without another image of its identity, or without a negative, has a loss of 0.

    Features grow old as the network moves: start with it when the learning rate is small, or keep `size` to what some
    hundred steps fill.

    Args:
        dim: Length of a feature: what the head gives to metric losses.
        loss: A pairwise loss, such as `CosFaceLoss` or `CircleLoss`. Defaults to `CosFaceLoss(margin=0.25, scale=32)`.
        size: Features of past batches in the memory, at least a batch. Defaults to 8192.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Identities `(batch,)` or `(batch, 1)`, of at most 32 bits.
        y_pred: Features `(batch, dim)`; normalised inside.

    Attributes:
        state_variables: The memory, as a list of variables: what a checkpoint must keep to continue to the bit.
        storing: Whether a call puts its batch into the memory, True. To evaluate images that are not trained on, set it
            to False meanwhile, before the step is traced.

    In `fit` it needs Keras' TensorFlow backend: under JAX a loss cannot keep anything from one step to the next.

    Cost: memory 4·size·dim bytes (64 MB for 8192 × 2048), time batch·size·dim.

    Raises:
        ValueError: if `dim` or `size` is not a positive number, `loss` is no pairwise loss, or `y_pred` does not have
            `dim` columns or has more than `size` rows, or a label is no whole number of 32 bits (in a compiled step its
            sample's loss is NaN).

    Example:
        >>> loss = keras_reid.losses.MemoryLoss(dim=2, loss=keras_reid.losses.CosFaceLoss(0.25, 2), size=4)
        >>> features = keras.ops.array([[1.0, 0], [0, 1]])
        >>> float(loss([0, 1], features))  # no positives yet
        0.0
        >>> float(loss([0, 1], features)) > 0  # those of the last call
        True

    Source: He et al., "Momentum contrast for unsupervised visual representation learning", 2020; Wang et al.,
    "Cross-batch memory for embedding learning", 2020. FastReID's MoCo starts with random features of identity 0, and
    leaves out the first places of the queue instead of the sample's own.
    """

    reads = "feature"

    def __init__(
        self,
        dim: Annotated[int, Late("feature_dim")],
        loss: Annotated[PairwiseLoss | None, Part(CosFaceLoss, {"margin": 0.25, "scale": 32.0})] = None,
        size: int = 8192,
        reduction: str | None = "sum_over_batch_size",
        name: str = "memory_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_whole(self, dim=dim, size=size)
        loss = CosFaceLoss(margin=0.25, scale=32.0) if loss is None else loss
        if not isinstance(loss, PairwiseLoss):
            raise ValueError(
                f"`loss` of MemoryLoss must be a pairwise loss, such as CosFaceLoss. Received: {loss!r}"
            )
        self.dim, self.loss, self.size = int(dim), loss, int(size)
        self.storing = True
        self._features = kept_variable(self, "features", (self.size, self.dim))
        self._identities = kept_variable(self, "identities", (self.size,), "int32")
        self._filled = kept_variable(self, "filled", (self.size,), "bool")
        self._next = kept_variable(self, "next", (), "int32")

    @property
    def state_variables(self) -> list[keras.Variable]:
        return [self._features, self._identities, self._filled, self._next]

    def reset(self) -> None:
        """Empties the memory."""
        for variable in self.state_variables:
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        rows, columns = y_pred.shape
        if columns != self.dim:
            raise ValueError(
                f"MemoryLoss has a memory of features of length dim={self.dim}. Received: features of length {columns}"
            )
        if rows is not None and rows > self.size:
            raise ValueError(
                f"`size` of MemoryLoss must be at least the batch. Received: size={self.size}, a batch of {rows}"
            )
        features = l2_normalize(y_pred)
        identities, right = whole_numbers(y_true, y_pred, "MemoryLoss", bits=32)
        places = ops.mod(self._next + ops.arange(ops.shape(y_pred)[0], dtype="int32"), self.size)
        if self.storing:
            self._store(features, identities, places, right)
        counts = ops.convert_to_tensor(self._filled)
        if self.storing:
            itself = ops.expand_dims(places, 1) == ops.arange(self.size, dtype="int32")
            counts = ops.logical_and(counts, ops.logical_not(itself))
        same = ops.expand_dims(identities, 1) == ops.convert_to_tensor(self._identities)
        memory = ops.cast(ops.stop_gradient(ops.convert_to_tensor(self._features)), features.dtype)
        losses = self.loss.of_pairs(
            ops.matmul(features, ops.transpose(memory)),
            ops.logical_and(counts, same),
            ops.logical_and(counts, ops.logical_not(same)),
        )
        return nan_where_not(right, losses)

    def _store(self, features, identities, places, right):
        features = ops.cast(ops.stop_gradient(features), "float32")
        # One step that overflows must not spoil all that are compared with it later.
        finite = ops.logical_and(ops.all(ops.isfinite(features), axis=1), right)
        features = ops.where(ops.expand_dims(finite, 1), features, 0.0)
        for variable, values in (
            (self._features, features),
            (self._identities, identities),
            (self._filled, finite),
        ):
            variable.assign(ops.scatter_update(variable, ops.expand_dims(places, 1), values))
        self._next.assign(ops.mod(self._next + ops.shape(features)[0], self.size))

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "dim": self.dim, "loss": loss, "size": self.size}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
