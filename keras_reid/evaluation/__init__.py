"""Retrieval metrics and distances. Light to import: TensorFlow loads with the first image."""

from keras_reid import embedding
from keras_reid.embedding import l2_normalize
from keras_reid.evaluation.analysis.camera_bias import remove_camera_bias
from keras_reid.evaluation.analysis.camera_pairs import CameraPairs, evaluate_camera_pairs
from keras_reid.evaluation.analysis.open_set import OpenSetResult, evaluate_open_set, without_identities
from keras_reid.evaluation.analysis.single_shot import evaluate_single_shot
from keras_reid.evaluation.calibration import Calibration, Verdict, calibrate, verify
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.dsr import (
    DSRDistances,
    choose_dsr_lambda,
    dsr_distance,
    dsr_features,
    dsr_lambda_for,
    embed_with_maps,
    evaluate_dsr,
)
from keras_reid.evaluation.exact.neighbors import nearest
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.metric_tables import print_table
from keras_reid.evaluation.repeated import RepeatedResult
from keras_reid.evaluation.rerank import RerankedDistances, jaccard_neighbors, k_reciprocal_rerank
from keras_reid.evaluation.rerank.query_expansion import alpha_query_expansion, query_expansion
from keras_reid.evaluation.retrieval_metrics import evaluate
from keras_reid.evaluation.retrieval_result import RetrievalResult
from keras_reid.evaluation.roc import RocCurve
from keras_reid.utils import moved
from keras_reid.utils.memory_size import parse_memory

__all__ = [
    "Calibration",
    "CameraPairs",
    "DSRDistances",
    "Distances",
    "Features",
    "OpenSetResult",
    "RepeatedResult",
    "RerankedDistances",
    "RetrievalResult",
    "RocCurve",
    "Verdict",
    "alpha_query_expansion",
    "calibrate",
    "choose_dsr_lambda",
    "dsr_distance",
    "dsr_features",
    "dsr_lambda_for",
    "embed_with_maps",
    "evaluate",
    "evaluate_camera_pairs",
    "evaluate_dsr",
    "evaluate_open_set",
    "evaluate_single_shot",
    "jaccard_neighbors",
    "k_reciprocal_rerank",
    "l2_normalize",
    "nearest",
    "parse_memory",
    "print_table",
    "query_expansion",
    "remove_camera_bias",
    "verify",
    "without_identities",
]


def __getattr__(name):
    if name == "embed_paths":  # until 0.3
        moved.warn(f"{__name__}.embed_paths", "keras_reid.embedding.embed_paths")
        return embedding.embed_paths
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
