"""A softmax over a memory with one feature for each cluster."""

from typing import Annotated, Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32, l2_normalize
from keras_reid.losses.label_loss import NEVER, LabelLoss, check_rank, check_whole, kept_variable
from keras_reid.utils.arguments import Late
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import class_numbers, nan_where_not


@keras.saving.register_keras_serializable(package="keras_reid")
class ClusterMemoryLoss(LabelLoss):
    """Cross entropy of the similarities to a memory of clusters, which follows the features.

    `−log(exp(f · m_y / τ) / Σ_c exp(f · m_c / τ))` for a normalised feature f of cluster y. No gradient flows into the
    memory m: after each call the row of every cluster of the batch becomes `m ← normalised(μ m + (1 − μ) mean f)`, with
    the mean over its features in the batch. So a class needs no weights of its own, and the number of clusters may
    change from one epoch to the next: `fill` says what the memory begins with. Unfilled it is zeros for `max_clusters`
    identities, a row of which is set by its first batch: with labels instead of clusters it trains a model as well.

    Computes in float32 at least, also under mixed precision.

    Args:
        dim: Length of a feature: of the head's embedding.
        max_clusters: Clusters that the memory has room for.
        temperature: τ, which divides the similarities to the clusters, positive. Defaults to 0.05.
        momentum: μ, how much of a cluster's feature stays in a step, from 0 (it becomes the batch's mean) up to, not
            including, 1. Defaults to 0.1.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Clusters `(batch,)` or `(batch, 1)`, from 0 on.
        y_pred: Features `(batch, dim)`; normalised inside.

    Attributes:
        state_variables: The memory and the number of its clusters: what a checkpoint must keep.
        storing: Whether a call moves the memory, True. To evaluate, set it to False meanwhile, before the step is
            traced.

    In `fit` it needs Keras' TensorFlow backend: under JAX a loss cannot keep anything from one step to the next.

    Cost: memory 4·max_clusters·dim bytes (67 MB for 8155 × 2048), time batch·max_clusters·dim.

    Raises:
        ValueError: if an argument is out of its range, `y_pred` does not have `dim` columns, or a label is none of the
            memory's clusters (in a compiled step its sample's loss is NaN, and it does not move the memory).

    Example:
        >>> loss = keras_reid.losses.ClusterMemoryLoss(dim=2, max_clusters=5, temperature=1.0)
        >>> loss.fill([[1.0, 0], [0, 1]])
        >>> round(float(loss([0], keras.ops.array([[3.0, 0]]))), 4)  # log(1 + 1 / e)
        0.3133

    Source: Ge et al., "Self-paced contrastive learning with hybrid memory for domain adaptive object re-ID", NeurIPS
    2020; Dai et al., "Cluster contrast for unsupervised person re-identification", ACCV 2022. There the images of a
    batch move a row one after the other, so that the last counts most; here their order does not matter.
    """

    reads = "embedding"

    def __init__(
        self,
        dim: Annotated[int, Late("embedding_dim")],
        max_clusters: Annotated[int, Late("num_clusters")],
        temperature: float = 0.05,
        momentum: float = 0.1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cluster_memory_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_whole(self, dim=dim, max_clusters=max_clusters)
        if not temperature > 0:
            raise ValueError(
                f"`temperature` of ClusterMemoryLoss must be positive. Received: temperature={temperature!r}"
            )
        if not 0 <= momentum < 1:
            raise ValueError(
                "`momentum` of ClusterMemoryLoss must be from 0 up to, not including, 1. "
                f"Received: momentum={momentum!r}"
            )
        self.dim, self.max_clusters = int(dim), int(max_clusters)
        self.temperature, self.momentum = float(temperature), float(momentum)
        self.storing = True
        self._rows = kept_variable(self, "rows", (self.max_clusters, self.dim))
        self._clusters = kept_variable(
            self, "count", (), "int32", lambda shape, dtype: ops.full(shape, self.max_clusters, dtype)
        )

    @property
    def state_variables(self) -> list[keras.Variable]:
        return [self._rows, self._clusters]

    def fill(self, features: Tensor) -> None:
        """Puts one feature for each cluster, `(clusters, dim)`, into the memory, normalised; what was there goes.

        Raises:
            ValueError: if there are none, or more than `max_clusters`, or they do not have `dim` columns.
        """
        features = ops.convert_to_tensor(features, "float32")
        if (
            len(features.shape) != 2
            or features.shape[1] != self.dim
            or not 0 < len(features) <= self.max_clusters
        ):
            raise ValueError(
                f"ClusterMemoryLoss holds 1 to {self.max_clusters} features of length {self.dim}. "
                f"Received: shape {tuple(features.shape)}"
            )
        self._rows.assign(ops.pad(l2_normalize(features), [(0, self.max_clusters - len(features)), (0, 0)]))
        self._clusters.assign(len(features))

    def labels_below(self, classes: int | None) -> int:
        return int(self._clusters.numpy())

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_rank(self, y_pred)
        if y_pred.shape[1] != self.dim:
            raise ValueError(
                f"ClusterMemoryLoss has a memory of features of length dim={self.dim}. "
                f"Received: features of length {y_pred.shape[1]}"
            )
        clusters, right = class_numbers(
            y_true, y_pred, "ClusterMemoryLoss", self._clusters.value, kind="cluster"
        )
        clusters = ops.maximum(clusters, 0)
        features = l2_normalize(at_least_float32(y_pred))
        rows = ops.cast(ops.stop_gradient(ops.convert_to_tensor(self._rows)), features.dtype)
        logits = ops.matmul(features, ops.transpose(rows)) / self.temperature
        logits = ops.where(ops.arange(self.max_clusters, dtype="int32") < self._clusters, logits, NEVER)
        # Not by the differentiable gather of a row: its gradient would be as large as the memory.
        own = ops.sum(features * ops.take(rows, clusters, axis=0), axis=1) / self.temperature
        if self.storing:
            self._follow(ops.cast(ops.stop_gradient(features), "float32"), clusters, right)
        return nan_where_not(right, ops.logsumexp(logits, axis=1) - own)

    def _follow(self, features, clusters, right):
        rows = ops.convert_to_tensor(self._rows)
        # One step that overflows must not spoil all that are compared with it later.
        finite = ops.all(ops.isfinite(features), axis=1, keepdims=True)
        finite = ops.logical_and(finite, ops.expand_dims(right, 1))
        features = ops.where(finite, features, 0.0)
        counted = ops.concatenate([features, ops.cast(finite, "float32")], axis=1)
        sums = ops.segment_sum(counted, clusters, num_segments=self.max_clusters)
        counts = sums[:, -1:]
        moved = self.momentum * rows + (1 - self.momentum) * sums[:, :-1] / ops.maximum(counts, 1.0)
        self._rows.assign(ops.where(counts > 0, l2_normalize(moved), rows))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dim": self.dim,
            "max_clusters": self.max_clusters,
            "temperature": self.temperature,
            "momentum": self.momentum,
        }
