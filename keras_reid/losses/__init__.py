"""Losses: Keras losses `loss(y_true, y_pred)`; `loss.reads` says which output of a head is `y_pred`.

`y_true` is the identities, or, where `loss.target` is "teacher", the same output of a teacher's head.
"""

from keras_reid.losses.cluster_memory import ClusterMemoryLoss
from keras_reid.losses.cross_entropy import CrossEntropy
from keras_reid.losses.focal import FocalLoss
from keras_reid.losses.logit_distillation import LogitDistillationLoss
from keras_reid.losses.memory import MemoryLoss
from keras_reid.losses.multi_similarity import MultiSimilarityLoss
from keras_reid.losses.pairwise import CircleLoss, CosFaceLoss
from keras_reid.losses.pkt import PKTLoss
from keras_reid.losses.triplet import TripletLoss

__all__ = [
    "CircleLoss",
    "ClusterMemoryLoss",
    "CosFaceLoss",
    "CrossEntropy",
    "FocalLoss",
    "LogitDistillationLoss",
    "MemoryLoss",
    "MultiSimilarityLoss",
    "PKTLoss",
    "TripletLoss",
]
