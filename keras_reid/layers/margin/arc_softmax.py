"""ArcFace classification layer."""

import math

import keras
from keras import ops

from keras_reid.layers.margin.base import ClassificationLayer

# Floor of sin²: bounds the gradient of the sine at cos = ±1 by 1000, and shifts the logit there by at most
# 0.001 · scale.
_SMALLEST_SQUARED_SINE = 1e-6


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

    def __init__(self, num_classes, scale=64.0, margin=0.5, **kwargs):
        super().__init__(num_classes, scale, **kwargs)
        if not 0 <= margin <= math.pi:
            raise ValueError(
                f"`margin` of ArcSoftmax is an angle from 0 to π (3.14). Received: margin={margin}"
            )
        self.margin = float(margin)

    def apply_margin(self, similarities, is_target):
        sine = ops.sqrt(ops.maximum(1.0 - ops.square(similarities), _SMALLEST_SQUARED_SINE))
        shifted = similarities * math.cos(self.margin) - sine * math.sin(self.margin)
        return ops.where(is_target, shifted, similarities)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
