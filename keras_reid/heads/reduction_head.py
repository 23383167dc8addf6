"""Reduction head."""

from typing import Annotated, Any

import keras

from keras_reid.heads.head import Classifier, Head, MetricFeature
from keras_reid.utils.arguments import InExperiments, NumClasses
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class ReductionHead(Head):
    """Head that maps the pooled feature to few dimensions through a non-linear layer.

    `embedding = W2 · dropout(relu(BN(W1 · pooled)))`, where W1 keeps the dimensions and W2 reduces them; the
    classifier reads the embedding. The head computes in float32 also under mixed precision.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`. Defaults to
            `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: the pooled feature "before" all this or the embedding "after"
            it. Defaults to "before".
        embedding_dim: Dimensions of the embedding; None stands for the paper's 512. Defaults to None.
        dropout: Fraction of values dropped in training, from 0 up to (not including) 1. Defaults to 0.5.

    Call arguments and outputs: as `heads.BNNeckHead`.

    Raises:
        ValueError: if `classifier` is not a layer of that form or has another number of classes, or another
            argument is out of range.

    Example:
        >>> head = keras_reid.heads.ReductionHead(num_classes=751, embedding_dim=512)
        >>> keras.ops.shape(head(keras.random.normal((4, 2048)))["embedding"])
        (4, 512)

    Source: He et al., "FastReID", 2020, section 3.3. FastReID's code reduces in the first layer, has a leaky
    ReLU, no dropout, and a BN-neck after it; `BNNeckHead(embedding_dim=512)` is what it later became.
    """

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        embedding_dim: Annotated[int | None, InExperiments(512)] = None,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, classifier, metric_feature, **kwargs)
        if not 0 <= dropout < 1:
            raise ValueError(
                f"`dropout` of ReductionHead must be at least 0 and below 1. Received: dropout={dropout}"
            )
        self.embedding_dim = self.checked_dim(512 if embedding_dim is None else embedding_dim)
        self.dropout_rate = float(dropout)
        self.norm = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name="norm", dtype=self.inner_dtype
        )
        self.dropout = keras.layers.Dropout(self.dropout_rate, name="dropout", dtype=self.inner_dtype)
        self.reduce = self.reduction(self.embedding_dim, "reduce")

    def build_embedding(self, input_shape: Shape) -> Shape:
        self.transform = self.reduction(input_shape[-1], "transform")
        for layer in (self.transform, self.norm, self.dropout, self.reduce):
            layer.build(input_shape)
        return (input_shape[0], self.embedding_dim)

    def embed(self, pooled: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        x = keras.ops.relu(self.norm(self.transform(pooled), training=training))
        return pooled, self.reduce(self.dropout(x, training=training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "embedding_dim": self.embedding_dim, "dropout": self.dropout_rate}
