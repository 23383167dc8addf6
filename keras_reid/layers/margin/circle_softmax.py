"""Circle classification layer."""

import keras
from keras import ops

from keras_reid.layers.margin.base import ClassificationLayer


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

    def __init__(self, num_classes, scale=64.0, margin=0.35, **kwargs):
        super().__init__(num_classes, scale, **kwargs)
        if not 0 <= margin <= 1:
            raise ValueError(f"`margin` of CircleSoftmax must be from 0 to 1. Received: margin={margin}")
        self.margin = float(margin)

    def apply_margin(self, similarities, is_target):
        constant = ops.stop_gradient(similarities)
        positive = ops.relu(1.0 + self.margin - constant) * (similarities - (1.0 - self.margin))
        negative = ops.relu(constant + self.margin) * (similarities - self.margin)
        return ops.where(is_target, positive, negative)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
