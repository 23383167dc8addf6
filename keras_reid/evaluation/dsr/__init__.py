"""Deep spatial reconstruction: distances of feature maps, for images that show a part only."""

from keras_reid.evaluation.dsr.distance import CANDIDATES, DSRDistances, dsr_distance
from keras_reid.evaluation.dsr.feature_maps import dsr_features, embed_with_maps
from keras_reid.evaluation.dsr.share import choose_dsr_lambda, dsr_lambda_for

__all__ = [
    "CANDIDATES",
    "DSRDistances",
    "choose_dsr_lambda",
    "dsr_distance",
    "dsr_features",
    "dsr_lambda_for",
    "embed_with_maps",
]
