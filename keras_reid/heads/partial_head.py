"""Head for images that show a part of the body, or one that is partly hidden."""

from typing import Any, Literal, Self

import keras
from keras import ops

from keras_reid.heads.bnneck_head import BNNeckHead
from keras_reid.heads.head import Classifier, MetricFeature, another
from keras_reid.layers.numerics import softmax
from keras_reid.utils.arguments import NumClasses
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class PartialHead(keras.layers.Layer):
    """Two BN-neck heads over one feature map: of the whole map, and of what in it looks like foreground.

    Windows of the map, each the maximum (or the mean) of its positions, give vectors `v_j` at several scales. One
    linear layer gives each a score, `s_j = sigmoid(a·v_j + b)`: how little it is hidden. The foreground feature is the
    mean of the smallest windows by their scores, `Σ_j s_j v_j / Σ_j s_j`; the whole feature is the average of the map.
    Each has a neck and a classifier of its own, and a loss is the mean over the two. The embedding is the foreground's.

    All windows and their scores are given as well: DSR compares images by them (`evaluation.dsr_features`).

    The head computes in float32 also under mixed precision, and in float64 with `dtype="float64"`. The scores start
    equal.

    Args:
        num_classes: Number of training identities.
        classifier: Classification layer, called as `layer(features, labels=None)`; each of the two has its own,
            made from this one's config. Defaults to `layers.LinearClassifier(num_classes)`.
        metric_feature: What metric losses read: "before" or "after" the neck; see `BNNeckHead`.
            Defaults to "before".
        embedding_dim: Dimensions of each of the two embeddings; None keeps the map's channels. Defaults to None.
        windows: Pairs (side, stride) of square windows, in positions of the map, the smallest first. Where a window
            is larger than the map, it is as large as the map. Defaults to ((2, 2), (4, 2), (6, 2), (8, 2)), which
            makes 110 windows of a map of 24 × 8.
        window_pooling: What a window is of its positions: "max", or "average", which keeps more of a small map's
            windows apart. Defaults to "max".

    Call arguments:
        inputs: Feature map `(batch, height, width, channels)`, of a known height and width.
        labels: Class indices `(batch,)`, or None.
        training: Whether the necks use the statistics of the batch.

    Returns a dict: `logits`, a list of two `(batch, num_classes)`, whole and foreground, with margin where labels are
    given; `scores` `(batch, num_classes)`, the mean of the two without margin; `feature`, a list of two matrices;
    `embedding` `(batch, channels)` not normalised; `maps` `(batch, windows, channels)`; `weights`
    `(batch, windows)`, the scores divided by their sum; all float32.

    Raises:
        ValueError: as `BNNeckHead`; if a window is no pair of positive integers, or its pooling unknown; if the size of
            the map is not known.

    Example:
        >>> head = keras_reid.heads.PartialHead(num_classes=751)
        >>> outputs = head(keras.random.normal((4, 24, 8, 32)))
        >>> keras.ops.shape(outputs["embedding"]), keras.ops.shape(outputs["maps"])
        ((4, 32), (4, 110, 32))

    Source: He et al., "Foreground-aware pyramid reconstruction for alignment-free occluded person re-identification",
    ICCV 2019; FastReID's partial head. Deliberate difference: maps of any size, where the original's evaluation needs
    24 × 8.
    """

    takes = "map"

    def __init__(
        self,
        num_classes: NumClasses,
        classifier: Classifier = None,
        metric_feature: MetricFeature = "before",
        embedding_dim: int | None = None,
        windows: tuple[tuple[int, int], ...] = ((2, 2), (4, 2), (6, 2), (8, 2)),
        window_pooling: Literal["max", "average"] = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_classes = num_classes
        self.metric_feature = metric_feature
        self.embedding_dim = embedding_dim
        self.windows = _checked(windows)
        if window_pooling not in ("max", "average"):
            raise ValueError(
                f"`window_pooling` of PartialHead must be 'max' or 'average'. Received: {window_pooling!r}"
            )
        self.window_pooling = window_pooling
        # Only what they are made from: a layer of our own that is never called would be saved with the model.
        self.classifier_config = keras.saving.serialize_keras_object(classifier)
        self.whole, self.foreground = (
            BNNeckHead(
                num_classes,
                another(self.classifier_config),
                metric_feature,
                embedding_dim,
                name=name,
                dtype=self.dtype_policy,
            )
            for name in ("whole", "foreground")
        )
        self.occlusion = keras.layers.Dense(
            1, kernel_initializer="zeros", name="occlusion", dtype=self.whole.inner_dtype
        )
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        batch, _, _, channels = input_shape
        _sides(input_shape, *self.windows[0])
        self.whole.build((batch, channels))
        self.foreground.build((batch, channels))
        self.occlusion.build((batch, None, channels))

    def call(self, inputs: Tensor, labels: Tensor | None = None, training: bool = False) -> dict[str, Any]:
        inputs = ops.cast(inputs, self.whole.inner_dtype)
        vectors = [self._vectors(inputs, *window) for window in self.windows]
        maps = ops.concatenate(vectors, axis=1)
        # The logarithm of the sigmoid: the scores' ratios survive where the scores themselves would all be 0.
        scores = ops.log_sigmoid(ops.squeeze(self.occlusion(maps), axis=-1))
        small = vectors[0].shape[1]
        weights = _shares(scores[:, :small])
        pooled = {
            "whole": ops.mean(inputs, axis=(1, 2)),
            "foreground": ops.sum(weights[..., None] * vectors[0], axis=1),
        }
        whole, foreground = (
            getattr(self, name)(feature, labels=labels, training=training) for name, feature in pooled.items()
        )
        return {
            "logits": [whole["logits"], foreground["logits"]],
            "scores": (whole["scores"] + foreground["scores"]) / 2,
            "feature": [whole["feature"], foreground["feature"]],
            "embedding": foreground["embedding"],
            "maps": maps,
            "weights": _shares(scores),
        }

    def _vectors(self, inputs, side, stride):
        """The windows of one kind, `(batch, windows, channels)`."""
        pool = ops.max_pool if self.window_pooling == "max" else ops.average_pool
        sides = _sides(inputs.shape, side, stride)
        pooled = pool(inputs, sides, stride, "valid", data_format="channels_last")
        _, height, width, channels = pooled.shape
        return ops.reshape(pooled, (-1, height * width, channels))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "classifier": self.classifier_config,
            "metric_feature": self.metric_feature,
            "embedding_dim": self.embedding_dim,
            "windows": self.windows,
            "window_pooling": self.window_pooling,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        config["classifier"] = keras.saving.deserialize_keras_object(config["classifier"])
        return cls(**config)


def _checked(windows):
    try:
        checked = [[int(side), int(stride)] for side, stride in windows]
        right = checked and min(min(pair) for pair in checked) >= 1
        right = right and checked == [list(pair) for pair in windows]
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            "`windows` of PartialHead must be pairs (side, stride) of whole numbers, at least 1. "
            f"Received: windows={windows!r}"
        )
    return checked


def _shares(scores):
    """Shares of a sum, from the logarithms of its parts. The largest is taken off first, for float32's sake."""
    return softmax(scores - ops.max(scores, axis=-1, keepdims=True), axis=-1)


def _sides(shape, side, stride):
    """Height and width of a window, no larger than the map."""
    height, width = shape[1:3]
    if height is None or width is None:
        raise ValueError(
            "PartialHead divides a feature map into windows and must know its size: call the model on images of a "
            f"fixed size. Received: shape {tuple(shape)}"
        )
    return min(side, height), min(side, width)
