"""Deep spatial reconstruction: distances of feature maps, for images that show a part only."""

from keras_reid.evaluation.dsr.dataset import dsr_lambda_for, evaluate_dsr
from keras_reid.evaluation.dsr.distance import DSRDistances, dsr_distance
from keras_reid.evaluation.dsr.feature_maps import dsr_features, embed_with_maps
from keras_reid.evaluation.dsr.share import choose_dsr_lambda

__all__ = [
    "DSRDistances",
    "choose_dsr_lambda",
    "dsr_distance",
    "dsr_features",
    "dsr_lambda_for",
    "embed_with_maps",
    "evaluate_dsr",
]
