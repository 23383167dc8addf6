"""Layers: poolings, classification layers with margins, and building blocks of backbones."""

from keras_reid.layers.batch_normalization import BatchNormalization
from keras_reid.layers.camera_embedding import CameraEmbedding
from keras_reid.layers.channel_gate import ChannelGate
from keras_reid.layers.convolution import Conv2D
from keras_reid.layers.grouped_convolution import GroupedConv2D
from keras_reid.layers.ibn import IBN
from keras_reid.layers.jigsaw_patches import JigsawPatches
from keras_reid.layers.margin import ArcSoftmax, CircleSoftmax, CosSoftmax, LinearClassifier
from keras_reid.layers.neck_normalization import NeckNormalization
from keras_reid.layers.non_local import NonLocal2D
from keras_reid.layers.patch_embedding import PatchEmbedding
from keras_reid.layers.pooling import (
    AttentionPooling2D,
    AverageMaxPooling2D,
    ClippedAveragePooling2D,
    GeMPooling2D,
    IdentityPooling2D,
)
from keras_reid.layers.split_attention import SplitAttention
from keras_reid.layers.squeeze_excite import SqueezeExcite
from keras_reid.layers.transformer_block import TransformerBlock

__all__ = [
    "IBN",
    "ArcSoftmax",
    "AttentionPooling2D",
    "AverageMaxPooling2D",
    "BatchNormalization",
    "CameraEmbedding",
    "ChannelGate",
    "CircleSoftmax",
    "ClippedAveragePooling2D",
    "Conv2D",
    "CosSoftmax",
    "GeMPooling2D",
    "GroupedConv2D",
    "IdentityPooling2D",
    "JigsawPatches",
    "LinearClassifier",
    "NeckNormalization",
    "NonLocal2D",
    "PatchEmbedding",
    "SplitAttention",
    "SqueezeExcite",
    "TransformerBlock",
]
