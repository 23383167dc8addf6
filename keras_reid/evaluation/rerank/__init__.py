"""Re-ranking by k-reciprocal neighbours: exact, sparse, in bounded memory."""

from keras_reid.evaluation.rerank.jaccard import jaccard_neighbors
from keras_reid.evaluation.rerank.k_reciprocal import RerankedDistances, k_reciprocal_rerank

__all__ = ["RerankedDistances", "jaccard_neighbors", "k_reciprocal_rerank"]
