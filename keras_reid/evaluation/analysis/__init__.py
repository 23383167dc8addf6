"""Other questions to a test set than its metrics: single shot, open set, pairs of cameras, bias of cameras."""

from keras_reid.evaluation.analysis.camera_bias import remove_camera_bias
from keras_reid.evaluation.analysis.camera_pairs import CameraPairs, evaluate_camera_pairs
from keras_reid.evaluation.analysis.open_set import OpenSetResult, evaluate_open_set, without_identities
from keras_reid.evaluation.analysis.single_shot import evaluate_single_shot

__all__ = [
    "CameraPairs",
    "OpenSetResult",
    "evaluate_camera_pairs",
    "evaluate_open_set",
    "evaluate_single_shot",
    "remove_camera_bias",
    "without_identities",
]
