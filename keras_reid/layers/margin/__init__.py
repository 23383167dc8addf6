"""Classification layers: `layer(features, labels=None)` gives logits, with a margin where labels are."""

from keras_reid.layers.margin.arc_softmax import ArcSoftmax
from keras_reid.layers.margin.circle_softmax import CircleSoftmax
from keras_reid.layers.margin.cos_softmax import CosSoftmax
from keras_reid.layers.margin.linear_classifier import LinearClassifier

__all__ = ["ArcSoftmax", "CircleSoftmax", "CosSoftmax", "LinearClassifier"]
