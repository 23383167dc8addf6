"""Classification layers: `layer(features, labels=None)` gives logits, with a margin where labels are."""

import contextlib
import contextvars
import math
import warnings
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32, l2_normalize
from keras_reid.utils.arguments import NoField, NumClasses
from keras_reid.utils.hints import Shape, Tensor
from keras_reid.utils.labels import class_numbers, nan_where_not

# Floor of sin²: at cos = ±1 the gradient of the sine is at most 1000, and the logit at most 0.001 · scale off.
_SMALLEST_SQUARED_SINE = 1e-6

_needs_no_logits = contextvars.ContextVar("needs_no_logits", default=False)


@contextlib.contextmanager
def without_margin() -> Iterator[None]:
    """Within it a margin layer may be called without labels in training mode: nobody trains on its logits."""
    token = _needs_no_logits.set(True)
    try:
        yield
    finally:
        _needs_no_logits.reset(token)


class ClassificationLayer(keras.layers.Layer):
    """A matrix of class weights `(dim, num_classes)` without bias, compared with the features in float32.

    Subclasses say whether features and weights are normalised (`cosine`), whether labels do anything (`has_margin`) and
    what they do to the similarities (`apply_margin`).

    A label that is no class raises a ValueError where it is known; in a compiled step its row is NaN.
    """

    cosine = True
    has_margin = True

    def __init__(self, num_classes: int, scale: float, **kwargs: Any) -> None:
        # The features are taken as they come: half precision before the float32 inside would defeat it.
        super().__init__(autocast=False, **kwargs)
        if num_classes < 1:
            raise ValueError(
                f"`num_classes` of {type(self).__name__} must be at least 1, the number of identities. "
                f"Received: num_classes={num_classes}"
            )
        if not scale > 0:
            raise ValueError(f"`scale` of {type(self).__name__} must be positive. Received: scale={scale}")
        self.num_classes = int(num_classes)
        self.scale = float(scale)
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.num_classes),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            autocast=False,
        )

    def call(self, features: Tensor, labels: Tensor | None = None, training: bool = False) -> Tensor:
        if labels is None and training and self.has_margin and not _needs_no_logits.get():
            warnings.warn(
                f"{type(self).__name__} is called in training mode without labels: it trains WITHOUT its margin. Give "
                "it the labels, layer(features, labels=labels), or take LinearClassifier. (An inference call is one "
                "with training=False.)",
                stacklevel=2,
            )
        features, kernel = at_least_float32(features), self.kernel
        dtype = keras.backend.result_type(features.dtype, self.variable_dtype)
        features, kernel = ops.cast(features, dtype), ops.cast(kernel, dtype)
        if self.cosine:
            features, kernel = l2_normalize(features), ops.transpose(l2_normalize(ops.transpose(kernel)))
        similarities = ops.matmul(features, kernel)
        if labels is not None and self.has_margin:
            # A label of -1 matches no class.
            labels, right = class_numbers(labels, features, type(self).__name__, self.num_classes, lowest=-1)
            is_target = ops.expand_dims(labels, 1) == ops.arange(self.num_classes, dtype="int32")
            similarities = nan_where_not(right, self.apply_margin(similarities, is_target))
        return self.scale * similarities

    def apply_margin(self, similarities: Tensor, is_target: Tensor) -> Tensor:
        """Similarities `(batch, num_classes)` as training wants them; `is_target` marks each row's class."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_reid")
class LinearClassifier(ClassificationLayer):
    """Linear classification layer, without bias unless asked for one.

    `logits = scale · f W`, or `scale · f W + b`. It has no margin, so labels change nothing.

    Args:
        num_classes: Number of classes (training identities).
        scale: Factor on the logits, positive. Defaults to 1.0.
        use_bias: Whether a number is added to each logit, as in torchreid's weights. Defaults to False.

    Call arguments:
        features: `(batch, dim)`, any float type.
        labels: Accepted for the sake of the margin layers, and ignored.

    Output shape: `(batch, num_classes)`, float32 also under mixed precision.

    Raises:
        ValueError: if `num_classes` or `scale` is not positive.

    Example:
        >>> classifier = keras_reid.layers.LinearClassifier(num_classes=751)
        >>> keras.ops.shape(classifier(keras.random.normal((2, 512))))
        (2, 751)

    Source: FastReID, `Linear`; weights start from N(0, 0.01).
    """

    cosine = False
    has_margin = False

    def __init__(
        self, num_classes: NumClasses, scale: float = 1.0, use_bias: NoField[bool] = False, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, scale, **kwargs)
        self.use_bias = bool(use_bias)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.use_bias:
            self.bias = self.add_weight((self.num_classes,), "zeros", autocast=False, name="bias")

    def call(self, features: Tensor, labels: Tensor | None = None, training: bool = False) -> Tensor:
        logits = super().call(features, labels, training)
        return logits + self.bias if self.use_bias else logits

    def get_config(self) -> dict[str, Any]:
        own = {"use_bias": True} if self.use_bias else {}  # without one, the config of earlier versions
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_reid")
class CosSoftmax(ClassificationLayer):
    """Cosine classification layer with an additive margin on the cosine of the true class (CosFace).

    `logit_j = scale · (cos(f, w_j) − margin · [j = label])`

    Args:
        num_classes: Number of classes (training identities).
        scale: Factor on the logits, positive. Defaults to 64.
        margin: Subtracted from the true class' cosine; not negative. Defaults to 0.35.

    Call arguments:
        features: `(batch, dim)`, any float type; normalised inside.
        labels: Class indices `(batch,)` or `(batch, 1)`, or None for logits without margin. A row of label −1
            has no true class here, and so no margin.

    Output shape: `(batch, num_classes)`, float32 also under mixed precision.

    Raises:
        ValueError: if `num_classes` or `scale` is not positive, `margin` is negative, or a label is neither a
            class nor −1 (in a compiled step its row is NaN).

    Warns where it is called with `training=True` and without labels, and so would train without its margin.

    Example:
        >>> classifier = keras_reid.layers.CosSoftmax(num_classes=751, scale=64, margin=0.35)
        >>> keras.ops.shape(classifier(keras.random.normal((2, 512)), labels=keras.ops.array([3, 750])))
        (2, 751)

    Source: Wang et al., "CosFace: large margin cosine loss for deep face recognition", 2018.
    """

    def __init__(
        self, num_classes: NumClasses, scale: float = 64.0, margin: float = 0.35, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, scale, **kwargs)
        if margin < 0:
            raise ValueError(f"`margin` of CosSoftmax must not be negative. Received: margin={margin}")
        self.margin = float(margin)

    def apply_margin(self, similarities: Tensor, is_target: Tensor) -> Tensor:
        return ops.where(is_target, similarities - self.margin, similarities)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


@keras.saving.register_keras_serializable(package="keras_reid")
class ArcSoftmax(ClassificationLayer):
    """Cosine classification layer with an additive margin on the angle of the true class (ArcFace).

    `logit_j = scale · cos(arccos(cos(f, w_j)) + margin · [j = label])`

    It is computed as `z cos m − sqrt(1 − z²) sin m` with the root bounded away from 0, so that value and
    gradient are finite at z = ±1 and where rounding takes z beyond. FastReID takes `arccos` as it is:
    infinite gradient at ±1, NaN beyond. As there, angles above π − margin wrap round, where a larger angle
    means a larger logit.

    Args:
        num_classes: Number of classes (training identities).
        scale: Factor on the logits, positive. Defaults to 64.
        margin: Added to the true class' angle, in radians, from 0 to π. Defaults to 0.5.

    Call arguments:
        features: `(batch, dim)`, any float type; normalised inside.
        labels: Class indices `(batch,)` or `(batch, 1)`, or None for logits without margin. A row of label −1
            has no true class here, and so no margin.

    Output shape: `(batch, num_classes)`, float32 also under mixed precision.

    Raises:
        ValueError: if `num_classes` or `scale` is not positive, `margin` is not within 0 and π, or a label is neither a
            class nor −1 (in a compiled step its row is NaN).

    Warns where it is called with `training=True` and without labels, and so would train without its margin.

    Example:
        >>> classifier = keras_reid.layers.ArcSoftmax(num_classes=751, scale=64, margin=0.5)
        >>> keras.ops.shape(classifier(keras.random.normal((2, 512)), labels=keras.ops.array([3, 750])))
        (2, 751)

    Source: Deng et al., "ArcFace: additive angular margin loss for deep face recognition", 2019.
    """

    def __init__(
        self, num_classes: NumClasses, scale: float = 64.0, margin: float = 0.5, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, scale, **kwargs)
        if not 0 <= margin <= math.pi:
            raise ValueError(
                f"`margin` of ArcSoftmax is an angle from 0 to π (3.14). Received: margin={margin}"
            )
        self.margin = float(margin)

    def apply_margin(self, similarities: Tensor, is_target: Tensor) -> Tensor:
        sine = ops.sqrt(ops.maximum(1.0 - ops.square(similarities), _SMALLEST_SQUARED_SINE))
        shifted = similarities * math.cos(self.margin) - sine * math.sin(self.margin)
        return ops.where(is_target, shifted, similarities)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


@keras.saving.register_keras_serializable(package="keras_reid")
class CircleSoftmax(ClassificationLayer):
    """Cosine classification layer of the circle loss: similarities weighted by their distance to the optimum.

    `logit_j = scale · α_p (z_j − (1 − margin))` with `α_p = [1 + margin − z_j]+` for the true class, and
    `logit_j = scale · α_n (z_j − margin)` with `α_n = [z_j + margin]+` for the others, where `z_j = cos(f,
    w_j)`; the α are constants to the gradient.

    Args:
        num_classes: Number of classes (training identities).
        scale: Factor on the logits, positive. Defaults to 64.
        margin: Relaxation of the optimum, from 0 to 1. Defaults to 0.35.

    Call arguments:
        features: `(batch, dim)`, any float type; normalised inside.
        labels: Class indices `(batch,)` or `(batch, 1)`, or None for plain logits `scale · z`. In a row of
            label −1 every class counts as another one, as in the original.

    Output shape: `(batch, num_classes)`, float32 also under mixed precision.

    Raises:
        ValueError: if `num_classes` or `scale` is not positive, `margin` is not within 0 and 1, or a label is neither a
            class nor −1 (in a compiled step its row is NaN).

    Warns where it is called with `training=True` and without labels, and so would train without its margin.

    Example:
        >>> classifier = keras_reid.layers.CircleSoftmax(num_classes=751, scale=64, margin=0.35)
        >>> keras.ops.shape(classifier(keras.random.normal((2, 512)), labels=keras.ops.array([3, 750])))
        (2, 751)

    Source: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.
    """

    def __init__(
        self, num_classes: NumClasses, scale: float = 64.0, margin: float = 0.35, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, scale, **kwargs)
        if not 0 <= margin <= 1:
            raise ValueError(f"`margin` of CircleSoftmax must be from 0 to 1. Received: margin={margin}")
        self.margin = float(margin)

    def apply_margin(self, similarities: Tensor, is_target: Tensor) -> Tensor:
        constant = ops.stop_gradient(similarities)
        positive = ops.relu(1.0 + self.margin - constant) * (similarities - (1.0 - self.margin))
        negative = ops.relu(constant + self.margin) * (similarities - self.margin)
        return ops.where(is_target, positive, negative)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}
