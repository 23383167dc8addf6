"""Head for the class tokens of TransReID."""

from typing import Any, Literal, Self

import keras
from keras import ops

from keras_reid.heads.bnneck_head import BNNeckHead
from keras_reid.heads.head import Classifier, MetricFeature, another
from keras_reid.utils.arguments import NumClasses
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class ClassTokenHead(keras.layers.Layer):
    """BN-neck heads over class tokens: one of the whole image `w`, and one of each part `p_j`.

    Each token has a neck and a classifier of its own. The embedding is `[w, p_1 / n, …, p_n / n]`, of the tokens before
    their necks or after them; with `embedding_dim` each token is reduced first, `W t`. A loss is half the whole image's
    and half the mean of the parts'.

    The head computes in float32 also under mixed precision.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`; each token has its own, made from
            this one's config. Defaults to `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: "before" or "after" the neck; see `BNNeckHead`.
            Defaults to "before".
        embedding: What images are compared by: the tokens "before" or "after" the neck. Defaults to "before".
        num_parts: Number of parts; 0 for the whole image's token alone, as `backbones.ViT` gives it. Defaults to 4.
        embedding_dim: Dimensions that a token is reduced to; None keeps its channels. Defaults to None.

    Call arguments:
        inputs: Class tokens `(batch, 1, 1 + num_parts, channels)`, as `backbones.JigsawViT` gives them.
        labels: Class indices `(batch,)`, or None.
        training: Whether the necks use the statistics of the batch.

    Returns a dict: `logits` and `feature`, lists of matrices: the whole image's, as many times as there are parts, and
    those of the parts, so that a mean over the list weights them as it should; `scores` `(batch, num_classes)`, the
    whole image's without margin; `embedding` `(batch, (1 + num_parts) · channels)`, or with `embedding_dim` in the
    place of the channels, not normalised; all float32.

    Raises:
        ValueError: as `BNNeckHead`; if `embedding` or `num_parts` is out of range; if there are more or fewer tokens.

    Example:
        >>> head = keras_reid.heads.ClassTokenHead(num_classes=751)
        >>> keras.ops.shape(head(keras.random.normal((4, 1, 5, 32)))["embedding"])
        (4, 160)

    Source: He et al., "TransReID: transformer-based object re-identification", 2021, and its code, which compares
    tokens before the neck; PersonViT's code (reduction).
    """

    takes = "map"

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        embedding: Literal["before", "after"] = "before",
        num_parts: int = 4,
        embedding_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if embedding not in ("before", "after"):
            raise ValueError(
                f"`embedding` of ClassTokenHead must be 'before' or 'after' (the neck). Received: {embedding!r}"
            )
        if not isinstance(num_parts, int) or num_parts < 0:
            raise ValueError(
                f"`num_parts` of ClassTokenHead must be an integer of at least 0. Received: num_parts={num_parts!r}"
            )
        if embedding_dim is not None and (not isinstance(embedding_dim, int) or embedding_dim < 1):
            raise ValueError(
                "`embedding_dim` of ClassTokenHead must be a positive number of dimensions, or None. "
                f"Received: embedding_dim={embedding_dim!r}"
            )
        self.num_classes = num_classes
        self.metric_feature = metric_feature
        self.embedding = embedding
        self.num_parts = num_parts
        self.embedding_dim = embedding_dim
        # Only what they are made from: a layer of our own that is never called would be saved with the model.
        self.classifier_config = keras.saving.serialize_keras_object(classifier)
        self.heads = [
            BNNeckHead(
                num_classes,
                another(self.classifier_config),
                metric_feature,
                name=f"part_{index}" if index else "whole",
                dtype=self.dtype_policy,
            )
            for index in range(1 + num_parts)
        ]
        self.reductions = [
            keras.layers.Dense(
                embedding_dim, use_bias=False, name=f"reduce_{head.name}", dtype=head.inner_dtype
            )
            for head in self.heads
            if embedding_dim is not None
        ]
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        if tuple(input_shape[1:3]) != (1, 1 + self.num_parts):
            raise ValueError(
                f"ClassTokenHead with {self.num_parts} parts needs tokens (batch, 1, {1 + self.num_parts}, channels). "
                f"Received: shape {tuple(input_shape)}. Give it the backbone's `num_parts`, 0 for a ViT."
            )
        for head in self.heads:
            head.build((input_shape[0], self.embedding_dim or input_shape[-1]))
        for reduction in self.reductions:
            reduction.build((input_shape[0], input_shape[-1]))

    def call(self, inputs: Tensor, labels: Tensor | None = None, training: bool = False) -> dict[str, Any]:
        tokens = ops.unstack(ops.cast(inputs[:, 0], self.heads[0].inner_dtype), 1 + self.num_parts, axis=1)
        if self.reductions:
            tokens = [reduce(token) for reduce, token in zip(self.reductions, tokens, strict=True)]
        outputs = [
            head(token, labels=labels, training=training)
            for head, token in zip(self.heads, tokens, strict=True)
        ]
        compared = tokens if self.embedding == "before" else [output["embedding"] for output in outputs]
        embedding = [compared[0], *(part / self.num_parts for part in compared[1:])]
        weighted = [outputs[0]] * (max(self.num_parts, 1) - 1) + outputs
        return {
            "logits": [output["logits"] for output in weighted],
            "scores": outputs[0]["scores"],
            "feature": [output["feature"] for output in weighted],
            "embedding": ops.concatenate(embedding, axis=1),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "classifier": self.classifier_config,
            "metric_feature": self.metric_feature,
            "embedding": self.embedding,
            "num_parts": self.num_parts,
            "embedding_dim": self.embedding_dim,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        config["classifier"] = keras.saving.deserialize_keras_object(config["classifier"])
        return cls(**config)
