"""Heads of the multiple granularity network."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import keras
from keras import ops

from keras_reid.heads.bnneck_head import BNNeckHead
from keras_reid.heads.head import Classifier, MetricFeature, another
from keras_reid.layers import GeMPooling2D
from keras_reid.utils.arguments import NoField, NumClasses, Part
from keras_reid.utils.hints import Shape, Tensor

_STRIPS = (0, 2, 3)  # into how many strips each branch's map is divided, besides being taken whole


@keras.saving.register_keras_serializable(package="keras_reid")
class MultiGranularityHeads(keras.layers.Layer):
    """Eight BN-neck heads over three feature maps: each whole, the second also in 2 strips, the third in 3.

    Each of the eight has its own pooling, reduction, neck and classifier. The embedding is all eight side by side.
    Every head learns its own classification; the metric losses see five features: the three whole ones, the two
    strips joined, and the three strips joined. A loss takes the mean over its five or eight inputs.

    Strips are ceil(rows / n) rows high, the last ones lower where the rows run out.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`; every head has its own,
            made from this one's config. Defaults to `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: "before" or "after" the neck; see `BNNeckHead`.
            Defaults to "before".
        embedding_dim: Dimensions of each head; the embedding has eight times as many. Defaults to 256.
        reduction_activation: As for `BNNeckHead`. Defaults to None.
        pooling: Pooling layer, every head has its own. Defaults to `layers.GeMPooling2D()`.

    Call arguments:
        inputs: Three feature maps `(batch, height, width, channels)`, as `backbones.MultiGranularityResNet` gives.
        labels: Class indices `(batch,)`, or None.
        training: Whether the necks use the statistics of the batch.

    Returns a dict: `logits`, a list of eight `(batch, num_classes)`, with margin where labels are given; `scores`
    `(batch, num_classes)`, the mean of the eight without margin; `feature`, a list of five matrices; `embedding`
    `(batch, 8 · embedding_dim)` not normalised, the whole maps first; all float32.

    Raises:
        ValueError: as `BNNeckHead`; if a map has fewer rows than strips; if the input is not three maps.

    Example:
        >>> heads = keras_reid.heads.MultiGranularityHeads(num_classes=751)
        >>> maps = [keras.random.normal((4, 24, 8, 32)) for _ in range(3)]
        >>> keras.ops.shape(heads(maps)["embedding"])
        (4, 2048)

    Source: Wang et al., "Learning discriminative features with multiple granularities for person
    re-identification", 2018; FastReID's `MGN`, whose weights 1/8 and 1/5 of the terms are the means here.
    """

    takes = "maps"

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        embedding_dim: int = 256,
        reduction_activation: NoField[Literal["relu", "leaky_relu"] | None] = None,
        pooling: Annotated[keras.layers.Layer | None, Part(GeMPooling2D)] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_classes = num_classes
        self.metric_feature = metric_feature
        self.embedding_dim = embedding_dim
        self.reduction_activation = reduction_activation
        # Only what they are made from: layers of our own that are never called would be saved with the model.
        self.classifier_config = keras.saving.serialize_keras_object(classifier)
        self.pooling_config = keras.saving.serialize_keras_object(
            pooling or GeMPooling2D(dtype=self.dtype_policy)
        )
        self.names = [f"b{branch}_head" for branch in (1, 2, 3)]
        self.names += [f"b{n}{strip + 1}_head" for n in _STRIPS for strip in range(n)]
        self.heads = [
            BNNeckHead(
                num_classes,
                another(self.classifier_config),
                metric_feature,
                embedding_dim,
                reduction_activation,
                name=name,
                dtype=self.dtype_policy,
            )
            for name in self.names
        ]
        self.poolings = [another(self.pooling_config) for _ in self.names]

    def build(self, input_shape: Sequence[Shape]) -> None:
        if len(input_shape) != len(_STRIPS) or any(len(shape) != 4 for shape in input_shape):
            raise ValueError(
                "MultiGranularityHeads needs a list of three feature maps (batch, height, width, channels). "
                f"Received: shapes {input_shape}"
            )
        for strips, shape in zip(_STRIPS, input_shape, strict=True):
            if shape[1] is not None and shape[1] < strips:
                raise ValueError(
                    f"MultiGranularityHeads divides a map into {strips} strips, which needs as many rows. "
                    f"Received: shape {tuple(shape)}. Use larger images, or last_stride=1."
                )
        owners = [0, 1, 2, *(branch for branch, strips in enumerate(_STRIPS) for _ in range(strips))]
        for owner, pooling, head in zip(owners, self.poolings, self.heads, strict=True):
            batch, _, width, channels = input_shape[owner]
            pooling.build((batch, None, width, channels))
            head.build((batch, channels))

    def call(
        self, inputs: Sequence[Tensor], labels: Tensor | None = None, training: bool = False
    ) -> dict[str, Any]:
        parts = list(inputs)
        for features, strips in zip(inputs, _STRIPS, strict=True):
            parts += _strips(features, strips)
        outputs = [
            head(pooling(part), labels=labels, training=training)
            for part, pooling, head in zip(parts, self.poolings, self.heads, strict=True)
        ]
        features = [output["feature"] for output in outputs]
        return {
            "logits": [output["logits"] for output in outputs],
            "scores": ops.mean(ops.stack([output["scores"] for output in outputs]), axis=0),
            "feature": [
                *features[:3],
                ops.concatenate(features[3:5], axis=-1),
                ops.concatenate(features[5:], axis=-1),
            ],
            "embedding": ops.concatenate([output["embedding"] for output in outputs], axis=-1),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "classifier": self.classifier_config,
            "metric_feature": self.metric_feature,
            "embedding_dim": self.embedding_dim,
            "reduction_activation": self.reduction_activation,
            "pooling": self.pooling_config,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        for part in ("classifier", "pooling"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)


def _strips(features, count):
    """The map in `count` parts along its height."""
    if not count:
        return []
    fixed = features.shape[1] is not None
    rows = features.shape[1] if fixed else ops.shape(features)[1]
    size = -(-rows // count)
    # Later strips begin early enough to leave a row for each that follows.
    first = min if fixed else ops.minimum
    starts = [first(i * size, rows - (count - i)) for i in range(count)]
    return [features[:, a:b] for a, b in zip(starts, [*starts[1:], rows], strict=True)]
