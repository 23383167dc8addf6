"""Retrieval metrics, distances and embeddings. Light to import: TensorFlow loads with the first image."""

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.embedding import embed_paths, l2_normalize
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.neighbors import nearest
from keras_reid.evaluation.result import RetrievalResult
from keras_reid.evaluation.retrieval import evaluate
from keras_reid.evaluation.table import print_table

__all__ = [
    "Distances",
    "Features",
    "RetrievalResult",
    "embed_paths",
    "evaluate",
    "l2_normalize",
    "nearest",
    "print_table",
]
