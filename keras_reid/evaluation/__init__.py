"""Retrieval metrics and distances. Light to import: TensorFlow loads with the first image.

From the top down:

- `evaluator`, `settings`: a model on the test part of a data set, under `EvaluationSettings`.
- `retrieval_metrics`: `evaluate`, of `Features`; `metric_tables` prints what it returns.
- `calibration/`: from a distance to the probability of the same identity.
- `analysis/`: single shot, open set, pairs of cameras, bias of cameras.
- `rerank/`, `dsr/`: other distances than those of embeddings as they are.
- `given_distances`: metrics of distances that are given; `exact/`: ranks and neighbours without a matrix of distances.
- `identity_metrics`: of identities over several cameras: IDF1, pairs, Rand index.
- `distances`, `ground_truth`, `roc`, `retrieval_result`, `features`, `dataset_features`: what all of them use.
"""

from keras_reid import embedding
from keras_reid.embedding import l2_normalize
from keras_reid.evaluation.analysis import (
    CameraPairs,
    OpenSetResult,
    evaluate_camera_pairs,
    evaluate_open_set,
    evaluate_single_shot,
    remove_camera_bias,
    without_identities,
)
from keras_reid.evaluation.calibration import Calibration, DriftAlarm, Verdict, appearance, calibrate, verify
from keras_reid.evaluation.dataset_features import embed_datasets
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.dsr import (
    DSRDistances,
    choose_dsr_lambda,
    dsr_distance,
    dsr_features,
    dsr_lambda_for,
    embed_with_maps,
)
from keras_reid.evaluation.evaluator import (
    DatasetEvaluation,
    Evaluator,
    evaluate_dataset,
    evaluate_dsr,
    evaluate_repetitions,
)
from keras_reid.evaluation.exact import nearest
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.identity_metrics import (
    IdentityScores,
    PairScores,
    adjusted_rand_index,
    identity_scores,
    pair_scores,
)
from keras_reid.evaluation.metric_tables import print_table
from keras_reid.evaluation.rerank import (
    RerankedDistances,
    alpha_query_expansion,
    jaccard_neighbors,
    k_reciprocal_rerank,
    query_expansion,
)
from keras_reid.evaluation.retrieval_metrics import evaluate
from keras_reid.evaluation.retrieval_result import RepeatedResult, RetrievalResult
from keras_reid.evaluation.roc import RocCurve
from keras_reid.evaluation.settings import EvaluationSettings
from keras_reid.utils import moved
from keras_reid.utils.memory_size import parse_memory

__all__ = [
    "Calibration",
    "CameraPairs",
    "DSRDistances",
    "DatasetEvaluation",
    "Distances",
    "DriftAlarm",
    "EvaluationSettings",
    "Evaluator",
    "Features",
    "IdentityScores",
    "OpenSetResult",
    "PairScores",
    "RepeatedResult",
    "RerankedDistances",
    "RetrievalResult",
    "RocCurve",
    "Verdict",
    "adjusted_rand_index",
    "alpha_query_expansion",
    "appearance",
    "calibrate",
    "choose_dsr_lambda",
    "dsr_distance",
    "dsr_features",
    "dsr_lambda_for",
    "embed_datasets",
    "embed_with_maps",
    "evaluate",
    "evaluate_camera_pairs",
    "evaluate_dataset",
    "evaluate_dsr",
    "evaluate_open_set",
    "evaluate_repetitions",
    "evaluate_single_shot",
    "identity_scores",
    "jaccard_neighbors",
    "k_reciprocal_rerank",
    "l2_normalize",
    "nearest",
    "pair_scores",
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
