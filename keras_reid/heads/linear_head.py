"""Linear head."""

from typing import Any

import keras

from keras_reid.heads.head import Classifier, Head, MetricFeature
from keras_reid.utils.arguments import NumClasses
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class LinearHead(Head):
    """Head without a neck: the classifier reads the pooled feature, or its linear reduction.

    `embedding = pooled`, or `W pooled` with `embedding_dim`. The head computes in float32 also under mixed
    precision.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`. Defaults to
            `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: the pooled feature "before" the reduction or the embedding
            "after" it. Without `embedding_dim` the two are the same. Defaults to "before".
        embedding_dim: Dimensions of the embedding; None keeps those of the pooled feature. Defaults to None.

    Call arguments and outputs: as `heads.BNNeckHead`.

    Raises:
        ValueError: if `classifier` is not a layer of that form or has another number of classes, or another
            argument is out of range.

    Example:
        >>> head = keras_reid.heads.LinearHead(num_classes=751, embedding_dim=256)
        >>> keras.ops.shape(head(keras.random.normal((4, 512)))["embedding"])
        (4, 256)

    Source: He et al., "FastReID", 2020, section 3.3.
    """

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        embedding_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, classifier, metric_feature, **kwargs)
        self.embedding_dim = embedding_dim if embedding_dim is None else self.checked_dim(embedding_dim)
        self.reduce = None if self.embedding_dim is None else self.reduction(self.embedding_dim, "reduce")

    def build_embedding(self, input_shape: Shape) -> Shape:
        if self.reduce is None:
            return tuple(input_shape)
        self.reduce.build(input_shape)
        return (input_shape[0], self.embedding_dim)

    def embed(self, pooled: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        return pooled, pooled if self.reduce is None else self.reduce(pooled)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
