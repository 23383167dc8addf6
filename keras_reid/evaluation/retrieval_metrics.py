"""CMC, mAP and mINP, exactly, without a full distance matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid.evaluation.distances import METRICS, Distances
from keras_reid.evaluation.dsr.distance import dsr_distance
from keras_reid.evaluation.exact import rank_matches
from keras_reid.evaluation.given_distances import evaluate_distances
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.retrieval_result import result_of_ranks
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features
    from keras_reid.evaluation.retrieval_result import RetrievalResult


def evaluate(
    query: Features,
    gallery: Features,
    metric: str = "cosine",
    *,
    protocol: str = "cross_camera",
    roc: bool = False,
    memory: int | None = None,
    block_size: int | None = None,
    distances: Any = None,
) -> RetrievalResult:
    """Ranks the gallery for every query and measures how early its matches come.

    A match's rank is its place in a stable sort of the gallery by distance, without the junk (equal distances keep the
    order of the gallery). Only the ranks of matches are computed, for a block of queries at a time. Results do not
    depend on `block_size` and `memory`.

    Time grows with queries × gallery × dim: a float32 matrix product and a few passes over it. With `roc` or
    `distances`: the time of those distances and about 10 ns for each pair. Memory: see `memory`. Features are read in
    stretches, so they may be memory-mapped.

    Args:
        query: `Features` of the queries.
        gallery: `Features` of the gallery. If it is the same object as `query`, no item is compared with itself.
        metric: `"cosine"`; `"euclidean"`, which uses the embeddings as given; or `"dsr"`, which needs features with
            `maps`: `dsr_distance` of all pairs, with its time and memory.
        protocol: `"cross_camera"`: gallery items with the query's identity and camera are junk; `"all"`:
            nothing is junk (the gallery must then not hold another copy of a query's own file); `"leave_one_out"`:
            only the query itself is junk. That is image retrieval's protocol: `evaluate(features, features,
            protocol="leave_one_out")`, whose Recall@K is `result.rank(K)` for any K.
        roc: also measure verification, "is it the same one or not?", over all pairs: `result.roc`.
        memory: bytes to use in addition to the features, at least 64 MiB; None for 1.5 GiB.
        block_size: queries in a block; None for as many as fit into `memory`.
        distances: instead of `metric`: a `(queries, gallery)` array, or any object with `blocks()` that
            yields `(start, (rows, gallery) array)` and covers all queries in order, such as a re-ranking.

    Returns:
        A `RetrievalResult`. Queries without a match are left out of every mean; it says how many there are.

    Raises:
        UserError: query or gallery is empty, their dimensions differ, an option is unknown, distances are not
            finite or of the wrong shape, no query has a match, or `"dsr"` is asked for without `maps`.

    Example:
        >>> from keras_reid.evaluation import Features
        >>> query = Features([[1.0, 0.0]], identities=[3], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [1.0, 0.1]], identities=[5, 3], cameras=[1, 1])
        >>> evaluate(query, gallery).to_dict()["rank1"]
        1.0

    Source: CMC and mAP as in Zheng et al., "Scalable person re-identification: a benchmark", ICCV 2015 (AP
    without interpolation); mINP: Ye et al., arXiv 2001.04193. The original breaks ties arbitrarily; here the
    order is stable.
    """
    if metric not in (*METRICS, "dsr"):
        raise UserError(f"`metric` must be one of {', '.join(METRICS)}, dsr. Received: metric={metric!r}.")
    truth = GroundTruth(query, gallery, protocol)
    if distances is None and metric != "dsr" and not roc:
        listed, ranks = rank_matches(query, gallery, metric, truth, memory, block_size)
        return result_of_ranks(listed.offsets, ranks, truth)
    if distances is None:
        size = block_size
        if size is None and memory is not None:
            size = max(1, memory // (16 * max(1, len(gallery))))
        if metric == "dsr":
            distances = dsr_distance(query, gallery, block_size=size)
        else:
            distances = Distances(query, gallery, metric, size)
    return evaluate_distances(distances, truth, roc)
