"""Heads: `head(pooled, labels=None, training=False)` gives logits, scores, metric feature and embedding."""

from keras_reid.heads.bnneck_head import BNNeckHead
from keras_reid.heads.class_token_head import ClassTokenHead
from keras_reid.heads.fully_connected_head import FullyConnectedHead
from keras_reid.heads.linear_head import LinearHead
from keras_reid.heads.multi_granularity_heads import MultiGranularityHeads
from keras_reid.heads.partial_head import PartialHead
from keras_reid.heads.reduction_head import ReductionHead

__all__ = [
    "BNNeckHead",
    "ClassTokenHead",
    "FullyConnectedHead",
    "LinearHead",
    "MultiGranularityHeads",
    "PartialHead",
    "ReductionHead",
]
