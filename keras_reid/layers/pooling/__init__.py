"""Global poolings: feature map `(batch, height, width, channels)` to vector `(batch, channels)`.

Average and maximum are Keras' own `GlobalAveragePooling2D` and `GlobalMaxPooling2D`.
"""

from keras_reid.layers.pooling.attention import AttentionPooling2D
from keras_reid.layers.pooling.average_max import AverageMaxPooling2D
from keras_reid.layers.pooling.clipped_average import ClippedAveragePooling2D
from keras_reid.layers.pooling.gem import GeMPooling2D
from keras_reid.layers.pooling.identity import IdentityPooling2D

__all__ = [
    "AttentionPooling2D",
    "AverageMaxPooling2D",
    "ClippedAveragePooling2D",
    "GeMPooling2D",
    "IdentityPooling2D",
]
