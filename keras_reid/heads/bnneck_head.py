"""BN-neck head."""

from typing import Any, Literal

import keras

from keras_reid.heads.head import Classifier, Head, MetricFeature
from keras_reid.layers import NeckNormalization
from keras_reid.utils.arguments import NoField, NumClasses
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class BNNeckHead(Head):
    """Head with a batch-normalisation neck between the metric loss and the classifier.

    `embedding = BN(pooled)`, or `BN(W pooled)` with `embedding_dim`; the classifier reads the embedding. The
    metric loss reads the feature before the neck, whose Euclidean distances are free, or after it. The neck's
    offset is not trained. With `reduction_activation` the reduction is `r = activation(BN(W pooled))`, and the
    embedding `BN(r)`.

    The head computes in float32 also under mixed precision.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`. Defaults to
            `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: "before" the neck (the pooled feature, before a linear reduction
            but after one with an activation) or "after" it (the embedding). Defaults to "before".
        embedding_dim: Dimensions of the embedding; None keeps those of the pooled feature. Defaults to None.
        reduction_activation: None for a linear reduction, "relu", or "leaky_relu" (slope 0.1). FastReID's first
            releases have these two in MGN and in their reduction head. Defaults to None.

    Call arguments:
        inputs: Pooled features `(batch, channels)`.
        labels: Class indices `(batch,)`, or None.
        training: Whether the neck uses the statistics of the batch.

    Returns a dict: `logits` `(batch, num_classes)` with the classifier's margin where labels are given,
    `scores` the same without margin, `feature` for metric losses, `embedding` `(batch, embedding_dim)` not
    normalised; all float32.

    Raises:
        ValueError: if `classifier` is not a layer of that form or has another number of classes, or another
            argument is out of range.

    Example:
        >>> head = keras_reid.heads.BNNeckHead(num_classes=751)
        >>> outputs = head(keras.random.normal((4, 512)), labels=keras.ops.array([0, 0, 7, 7]), training=True)
        >>> keras.ops.shape(outputs["logits"]), keras.ops.shape(outputs["embedding"])
        ((4, 751), (4, 512))

    Source: Luo et al., "Bag of tricks and a strong baseline for deep person re-identification", 2019;
    FastReID's `EmbeddingHead` with a neck.
    """

    activations = (None, "relu", "leaky_relu")

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        embedding_dim: int | None = None,
        reduction_activation: NoField[Literal["relu", "leaky_relu"] | None] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, classifier, metric_feature, **kwargs)
        if reduction_activation not in self.activations or (reduction_activation and embedding_dim is None):
            raise ValueError(
                "`reduction_activation` of BNNeckHead must be None, 'relu' or 'leaky_relu', and needs an "
                f"`embedding_dim`. Received: {reduction_activation!r}, embedding_dim={embedding_dim}"
            )
        self.embedding_dim = embedding_dim if embedding_dim is None else self.checked_dim(embedding_dim)
        self.reduction_activation = reduction_activation
        self.reduce = None if self.embedding_dim is None else self.reduction(self.embedding_dim, "reduce")
        self.reduce_norm = None
        if reduction_activation is not None:
            self.reduce_norm = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name="reduce_norm", dtype=self.inner_dtype
            )
        self.neck = NeckNormalization(name="neck", dtype=self.inner_dtype)

    def build_embedding(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.reduce is not None:
            self.reduce.build(shape)
            shape = (shape[0], self.embedding_dim)
        if self.reduce_norm is not None:
            self.reduce_norm.build(shape)
        self.neck.build(shape)
        return shape

    def embed(self, pooled: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        reduced = pooled if self.reduce is None else self.reduce(pooled)
        if self.reduce_norm is None:
            return pooled, self.neck(reduced, training=training)
        reduced = self.reduce_norm(reduced, training=training)
        slope = 0.0 if self.reduction_activation == "relu" else 0.1
        reduced = keras.ops.leaky_relu(reduced, negative_slope=slope)
        return reduced, self.neck(reduced, training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "reduction_activation": self.reduction_activation,
        }
