"""What the classification layers share."""

import contextlib
import contextvars
import warnings

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32, l2_normalize
from keras_reid.utils.labels import class_numbers, nan_where_not

_needs_no_logits = contextvars.ContextVar("needs_no_logits", default=False)


@contextlib.contextmanager
def without_margin():
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

    def __init__(self, num_classes, scale, **kwargs):
        # The features are taken as they come: casting them to half precision first would defeat the float32
        # inside.
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

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.num_classes),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            autocast=False,
        )

    def call(self, features, labels=None, training=False):
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

    def apply_margin(self, similarities, is_target):
        """Similarities `(batch, num_classes)` as training wants them; `is_target` marks each row's class."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "scale": self.scale}
