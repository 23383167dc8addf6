"""Linear classification layer."""

import keras

from keras_reid.layers.margin.base import ClassificationLayer


@keras.saving.register_keras_serializable(package="keras_reid")
class LinearClassifier(ClassificationLayer):
    """Linear classification layer without bias.

    `logits = scale · f W`. It has no margin, so labels change nothing.

    Args:
        num_classes: Number of classes (training identities).
        scale: Factor on the logits, positive. Defaults to 1.0.

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

    def __init__(self, num_classes, scale=1.0, **kwargs):
        super().__init__(num_classes, scale, **kwargs)
