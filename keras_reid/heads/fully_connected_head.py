"""Fully connected head."""

from typing import Annotated, Any

import keras

from keras_reid.heads.head import Classifier, Head, MetricFeature
from keras_reid.utils.arguments import InExperiments, NumClasses
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class FullyConnectedHead(Head):
    """Head whose embedding is a fully connected layer, batch-normalised and cut off at 0.

    `embedding = relu(BN(W · pooled + b))`; the classifier reads the embedding. The head computes in float32 also under
    mixed precision.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`. Defaults to
            `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: the pooled feature "before" the layer or the embedding "after" it.
            Defaults to "after".
        embedding_dim: Dimensions of the embedding; None stands for the paper's 512. Defaults to None.

    Call arguments and outputs: as `heads.BNNeckHead`.

    Raises:
        ValueError: if `classifier` is not a layer of that form or has another number of classes, or another
            argument is out of range.

    Example:
        >>> head = keras_reid.heads.FullyConnectedHead(num_classes=751)
        >>> keras.ops.shape(head(keras.random.normal((4, 128)))["embedding"])
        (4, 512)

    Source: Zhou et al., "Omni-scale feature learning for person re-identification", 2019; torchreid's OSNet, whose
    names of the weights are `fc.0`, `fc.1` and `classifier`.
    """

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "after",
        embedding_dim: Annotated[int | None, InExperiments(512)] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, classifier, metric_feature, **kwargs)
        self.embedding_dim = self.checked_dim(512 if embedding_dim is None else embedding_dim)
        self.dense = keras.layers.Dense(
            self.embedding_dim,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="dense",
            dtype=self.inner_dtype,
        )
        self.norm = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name="norm", dtype=self.inner_dtype
        )

    def build_embedding(self, input_shape: Shape) -> Shape:
        self.dense.build(input_shape)
        shape = (input_shape[0], self.embedding_dim)
        self.norm.build(shape)
        return shape

    def embed(self, pooled: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        return pooled, keras.ops.relu(self.norm(self.dense(pooled), training=training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
