"""What may change embeddings or distances before ranking: k-reciprocal re-ranking and query expansion, both exact."""

from keras_reid.evaluation.rerank.jaccard import jaccard_neighbors
from keras_reid.evaluation.rerank.k_reciprocal import RerankedDistances, k_reciprocal_rerank
from keras_reid.evaluation.rerank.query_expansion import alpha_query_expansion, query_expansion

__all__ = [
    "RerankedDistances",
    "alpha_query_expansion",
    "jaccard_neighbors",
    "k_reciprocal_rerank",
    "query_expansion",
]
