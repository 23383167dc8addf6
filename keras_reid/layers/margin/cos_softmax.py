"""CosFace classification layer."""

import keras
from keras import ops

from keras_reid.layers.margin.base import ClassificationLayer


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

    def __init__(self, num_classes, scale=64.0, margin=0.35, **kwargs):
        super().__init__(num_classes, scale, **kwargs)
        if margin < 0:
            raise ValueError(f"`margin` of CosSoftmax must not be negative. Received: margin={margin}")
        self.margin = float(margin)

    def apply_margin(self, similarities, is_target):
        return ops.where(is_target, similarities - self.margin, similarities)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
