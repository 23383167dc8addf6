"""What the heads share."""

import inspect
from typing import Annotated, Any, Literal, Self

import keras
from keras import ops

from keras_reid.layers import LinearClassifier
from keras_reid.layers.initializers import normal_over_filters
from keras_reid.layers.margin import without_margin
from keras_reid.utils.arguments import NumClasses, Part
from keras_reid.utils.hints import Shape, Tensor

Classifier = Annotated[keras.layers.Layer | None, Part(LinearClassifier, facts=("num_classes",))]
MetricFeature = Literal["before", "after"]


class Head(keras.layers.Layer):
    """Pooled feature → embedding → class logits.

    Subclasses build their own layers in `build_embedding(input_shape)`, which returns the shape of the
    embedding, and compute in `embed(pooled, training)` what metric losses read before the neck, and the embedding.
    """

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        **kwargs: Any,
    ) -> None:
        # A head costs nothing beside a backbone: it computes in float32 at least, whatever the policy, for exact
        # distances. Keras would cast the inputs to the policy's type.
        super().__init__(autocast=False, **kwargs)
        if num_classes < 1:
            raise ValueError(
                f"`num_classes` of {type(self).__name__} must be at least 1, the number of identities. "
                f"Received: num_classes={num_classes}"
            )
        if metric_feature not in ("before", "after"):
            raise ValueError(
                f"`metric_feature` of {type(self).__name__} must be 'before' or 'after' (the neck). "
                f"Received: metric_feature={metric_feature!r}"
            )
        self.num_classes = int(num_classes)
        self.metric_feature = metric_feature
        self.classifier = self._checked(classifier)
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def _checked(self, classifier):
        if classifier is None:
            return LinearClassifier(self.num_classes, name="classifier", dtype=self.inner_dtype)
        remedy = "Use e.g. keras_reid.layers.CircleSoftmax(num_classes, scale=64, margin=0.35)."
        if not isinstance(classifier, keras.layers.Layer):
            raise ValueError(
                f"`classifier` of {type(self).__name__} must be a layer. {remedy} Received: {classifier!r}"
            )
        if "labels" not in inspect.signature(classifier.call).parameters:
            raise ValueError(
                f"`classifier` of {type(self).__name__} must be called as `layer(features, labels=None)`. "
                f"{remedy} Received: {classifier!r}, whose `call` takes no `labels`."
            )
        classes = getattr(classifier, "num_classes", self.num_classes)
        if classes != self.num_classes:
            raise ValueError(
                f"`classifier` and {type(self).__name__} must have the same number of classes. "
                f"Received: num_classes={self.num_classes}, classifier.num_classes={classes}"
            )
        return classifier

    @property
    def inner_dtype(self) -> str:
        """Type of the head's own layers: at least float32."""
        return keras.backend.result_type(self.variable_dtype, "float32")

    def checked_dim(self, embedding_dim: int) -> int:
        if embedding_dim < 1:
            raise ValueError(
                f"`embedding_dim` of {type(self).__name__} must be a positive number of dimensions. "
                f"Received: embedding_dim={embedding_dim}"
            )
        return int(embedding_dim)

    def build(self, input_shape: Shape) -> None:
        embedding_shape = self.build_embedding(input_shape)
        if not self.classifier.built:
            self.classifier.build(embedding_shape)

    def build_embedding(self, input_shape: Shape) -> Shape:
        raise NotImplementedError

    def embed(self, pooled: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def call(self, inputs: Tensor, labels: Tensor | None = None, training: bool = False) -> dict[str, Tensor]:
        pooled = ops.cast(inputs, self.inner_dtype)
        before, embedding = self.embed(pooled, training)
        if labels is None:
            logits = scores = self.classifier(embedding)
        else:
            with without_margin():
                scores = self.classifier(embedding)
            logits = self.classifier(embedding, labels=labels)
        return {
            "logits": logits,
            "scores": scores,
            "feature": before if self.metric_feature == "before" else embedding,
            "embedding": embedding,
        }

    def reduction(self, units: int, name: str) -> keras.layers.Dense:
        """A 1×1 convolution of the pooled feature: a dense layer without bias."""
        return keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=normal_over_filters(),
            name=name,
            dtype=self.inner_dtype,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "classifier": keras.saving.serialize_keras_object(self.classifier),
            "metric_feature": self.metric_feature,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        config["classifier"] = keras.saving.deserialize_keras_object(config["classifier"])
        return cls(**config)


def another(config: dict[str, Any] | None) -> Any:
    """A new layer from a serialised one, with weights and a name of its own."""
    if config is not None:
        config = {**config, "config": {**config["config"], "name": None}}
    return keras.saving.deserialize_keras_object(config)
