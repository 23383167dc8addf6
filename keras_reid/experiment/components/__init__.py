"""Descriptions of what this package has.

Each is named as, and takes the arguments of, what it describes, but for those that only imported weights need.
"""

from keras_reid.experiment.components.backbones import (
    Backbone,
    MobileNetV2,
    MultiGranularityResNet,
    OSNet,
    RepVGG,
    ResNeSt,
    ResNet,
    ResNeXt,
    ViT,
)
from keras_reid.experiment.components.heads import (
    ArcSoftmax,
    BNNeckHead,
    CircleSoftmax,
    CosSoftmax,
    LinearClassifier,
    LinearHead,
    MultiGranularityHeads,
    ReductionHead,
)
from keras_reid.experiment.components.losses import (
    CircleLoss,
    CosFaceLoss,
    CrossEntropy,
    FocalLoss,
    LogitDistillationLoss,
    MemoryLoss,
    TripletLoss,
)
from keras_reid.experiment.components.optimization import SGD, Adam, Constant, Cosine, MultiStep
from keras_reid.experiment.components.pooling import (
    AttentionPooling,
    AverageMaxPooling,
    AveragePooling,
    ClippedAveragePooling,
    GeM,
    IdentityPooling,
    MaxPooling,
    NoPooling,
)

__all__ = [
    "SGD",
    "Adam",
    "ArcSoftmax",
    "AttentionPooling",
    "AverageMaxPooling",
    "AveragePooling",
    "BNNeckHead",
    "Backbone",
    "CircleLoss",
    "CircleSoftmax",
    "ClippedAveragePooling",
    "Constant",
    "CosFaceLoss",
    "CosSoftmax",
    "Cosine",
    "CrossEntropy",
    "FocalLoss",
    "GeM",
    "IdentityPooling",
    "LinearClassifier",
    "LinearHead",
    "LogitDistillationLoss",
    "MaxPooling",
    "MemoryLoss",
    "MobileNetV2",
    "MultiGranularityHeads",
    "MultiGranularityResNet",
    "MultiStep",
    "NoPooling",
    "OSNet",
    "ReductionHead",
    "RepVGG",
    "ResNeSt",
    "ResNeXt",
    "ResNet",
    "TripletLoss",
    "ViT",
]
