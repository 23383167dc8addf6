"""Query expansion: moves queries towards what they find."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.exact import nearest
from keras_reid.evaluation.rerank.neighbor_lists import check_counts, neighbor_lists
from keras_reid.evaluation.rerank.points import Points
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features

_TURN_BYTES = 64 * 2**20


def query_expansion(query: Features, gallery: Features, k: int = 5) -> Features:
    """Each query replaced by the mean of itself and the k gallery items most similar to it.

    `f_new = (f_q + Σ f_g) / (k + 1)`, similar by cosine, of the embeddings as given: if their lengths differ,
    the long ones count more (`l2_normalize` them to prevent it). Identities and cameras are not used.

    Time: that of ranking the gallery once. Memory: a block of distances.

    Args:
        query: `Features` of n images.
        gallery: `Features` of m images with the same `dim`.
        k: gallery items in the mean; all if there are fewer.

    Returns:
        `Features` like `query`, with other embeddings. Maps and weights stay as they are.

    Raises:
        UserError: query or gallery is empty, their dimensions differ, or k is not a positive whole number.

    Example:
        >>> from keras_reid.evaluation import Features
        >>> query = Features([[1.0, 0.0]], identities=[0], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [3.0, 1.0]], identities=[1, 0], cameras=[1, 1])
        >>> query_expansion(query, gallery, k=1).embeddings.tolist()
        [[2.0, 0.5]]

    Source: Chum et al., "Total recall", ICCV 2007, in the form of the FastReID paper (arXiv 2006.02631). The
    original's code does something else: `alpha_query_expansion`.
    """
    check_counts(k=k)
    indices, _ = nearest(query, gallery, k=k, metric="cosine", protocol="all")
    sums = _weighted_sums(gallery.embeddings, indices, np.ones(indices.shape, np.float32))
    return dataclasses.replace(query, embeddings=(query.embeddings + sums) / np.float32(indices.shape[1] + 1))


def alpha_query_expansion(
    query: Features, gallery: Features, k: int = 5, alpha: float = 3.0, times: int = 1
) -> tuple[Features, Features]:
    """Every image of query and gallery replaced by the weighted mean of the k images most similar to it.

    `f_new = (1 / k) Σ max(s, 0)^α f` over the k most similar of query and gallery together, the image itself
    among them, with their cosine similarities s and their embeddings as given. Identities and cameras are not
    used, but the result of a query depends on the other queries.

    Computed in float32 whatever the type of the embeddings.
    Time: half an N × N matrix product for N = n + m images, `times` times. Memory: two copies of the embeddings
    and tens of megabytes; no N × N matrix.

    Args:
        query: `Features` of n images.
        gallery: `Features` of m images with the same `dim`.
        k: images in a mean, counting the image itself; all if there are fewer.
        alpha: power α ≥ 0 of the similarity; 0 gives the plain mean.
        times: how often this is repeated, each time on the result before.

    Returns:
        `(query, gallery)`: `Features` with other embeddings. Maps and weights stay as they are.

    Raises:
        UserError: query or gallery is empty, their dimensions differ, or an option is out of its range.

    Example:
        >>> from keras_reid.evaluation import Features
        >>> query = Features([[1.0, 0.0]], identities=[0], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [3.0, 0.0]], identities=[1, 0], cameras=[1, 1])
        >>> alpha_query_expansion(query, gallery, k=2)[0].embeddings.tolist()
        [[2.0, 0.0]]

    Source: α: Radenović et al., "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019. The
    original's code, except that a negative similarity weighs 0 (for α > 0): with a fractional α it gives NaN
    there, and with an even one weighs the opposite of an image like the image.
    """
    check_counts(k=k, times=times)
    if not isinstance(alpha, (int, float)) or not 0 <= alpha < np.inf:
        raise UserError(f"`alpha` must be a finite number, at least 0. Received: alpha={alpha!r}.")
    Distances(query, gallery)  # checks the two
    for _ in range(times):
        points = Points.of(query, gallery, "cosine")
        lists = neighbor_lists(points, k)
        similarities = np.maximum(1 - lists.squares / 2, 0)
        weights = similarities ** np.float32(alpha) / np.float32(lists.indices.shape[1])
        del points
        embeddings = np.concatenate([query.embeddings, gallery.embeddings])
        expanded = _weighted_sums(embeddings, lists.indices, weights)
        query = dataclasses.replace(query, embeddings=expanded[: len(query)])
        gallery = dataclasses.replace(gallery, embeddings=expanded[len(query) :])
    return query, gallery


def _weighted_sums(embeddings, indices, weights):
    """`Σ_j weights[i, j] · embeddings[indices[i, j]]`, `(rows, dim)` float32."""
    rows, k = indices.shape
    dim = embeddings.shape[1]
    result = np.empty((rows, dim), np.float32)
    turn = max(1, _TURN_BYTES // (4 * k * dim))
    for start in range(0, rows, turn):
        part = slice(start, start + turn)
        np.matmul(weights[part, None, :], embeddings[indices[part]], out=result[part, None, :])
    return result
