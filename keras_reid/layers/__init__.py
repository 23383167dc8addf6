"""Layers: poolings, classification layers with margins, and the blocks that backbones are made of."""

from keras_reid.layers.ibn import IBN
from keras_reid.layers.margin import ArcSoftmax, CircleSoftmax, CosSoftmax, LinearClassifier
from keras_reid.layers.neck_normalization import NeckNormalization
from keras_reid.layers.non_local import NonLocal2D
from keras_reid.layers.pooling import AttentionPooling2D, AverageMaxPooling2D, GeMPooling2D
from keras_reid.layers.squeeze_excite import SqueezeExcite

__all__ = [
    "IBN",
    "ArcSoftmax",
    "AttentionPooling2D",
    "AverageMaxPooling2D",
    "CircleSoftmax",
    "CosSoftmax",
    "GeMPooling2D",
    "LinearClassifier",
    "NeckNormalization",
    "NonLocal2D",
    "SqueezeExcite",
]
