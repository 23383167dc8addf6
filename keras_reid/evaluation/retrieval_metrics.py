"""CMC, mAP and mINP, exactly, without a full distance matrix."""

import numpy as np

from keras_reid.evaluation.distances import METRICS, Distances
from keras_reid.evaluation.exact.estimates import BOUNDS, Estimates, InexactScores
from keras_reid.evaluation.exact.match_ranks import Ranking
from keras_reid.evaluation.ground_truth import Matches
from keras_reid.evaluation.retrieval_result import RetrievalResult
from keras_reid.evaluation.roc import RocHistogram
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

_MAX_RANK = 50


def evaluate(
    query,
    gallery,
    metric="cosine",
    *,
    protocol="cross_camera",
    roc=False,
    memory=None,
    block_size=None,
    distances=None,
):
    """Ranks the gallery for every query and measures how early its matches come.

    A match's rank is the number of gallery items before it in a stable sort by distance (equal distances keep
    the order of the gallery), junk left out. Only the ranks of the matches are computed, a block of queries
    at a time. Equal results for every `block_size` and `memory`.

    Time grows with queries × gallery × dim: a float32 matrix product and a few passes over it; with `roc` or
    `distances` that of those distances, and about 10 ns for each pair. Memory: see `memory`; the features are read
    in stretches, so that they may be memory-mapped.

    Args:
        query: `Features` of the queries.
        gallery: `Features` of the gallery. Where it is the same object as `query`, no item is compared with itself.
        metric: `"cosine"`, `"euclidean"`, which uses the embeddings as given, or `"dsr"`, which needs features with
            `maps`: `dsr_distance` of all pairs, with its time and memory.
        protocol: `"cross_camera"`: gallery items with the query's identity and camera are junk; `"all"`:
            nothing is junk (another copy of a query's own file must then not be in the gallery); `"leave_one_out"`:
            the query itself is junk, and nothing else, image retrieval's protocol: `evaluate(features, features,
            protocol="leave_one_out")`, whose Recall@K is `result.rank(K)` for any K.
        roc: also measure verification, "is it the same one or not?", over all pairs: `result.roc`.
        memory: bytes to use beside the features, at least 64 MiB; None for 1.5 GiB.
        block_size: queries in a block; None takes what fits into `memory`.
        distances: instead of `metric`: a `(queries, gallery)` array, or any object with `blocks()` that
            yields `(start, (rows, gallery) array)` and covers all queries in order, such as a re-ranking.

    Returns:
        A `RetrievalResult`. Queries without a match are left out of every mean and counted in it.

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
    matches = Matches(query, gallery, protocol)
    size = block_size
    if size is None and memory is not None:
        size = max(1, memory // (16 * max(1, len(gallery))))
    if distances is None and metric == "dsr":
        from keras_reid.evaluation.dsr import dsr_distance

        distances = dsr_distance(query, gallery, block_size=size)
    if distances is None and not roc:
        listed, ranks = rank_matches(query, gallery, metric, matches, memory, block_size)
        return result_of(listed.offsets, ranks, query, gallery, protocol)
    if distances is None:
        distances = Distances(query, gallery, metric, size)
    histogram = RocHistogram() if roc else None
    offsets, ranks = _rank_in(distances, len(query), len(gallery), matches, histogram)
    return result_of(offsets, ranks, query, gallery, protocol, histogram and histogram.curve())


def rank_matches(query, gallery, metric, matches, memory=None, block_size=None):
    """Exact ranks of all matches.

    Returns:
        `(listed, ranks)`: `ListedMatches`, and the rank of each from 1.
    """
    distances = Distances(query, gallery, metric, block_size)
    listed = None
    for bound in BOUNDS:
        estimates = Estimates(distances, memory, block_size, bound)
        listed = listed or matches.listed(distances)
        parts = -(-len(gallery) // estimates.width)
        try:
            with progress("ranking", total=len(query) * parts, unit="queries") as advance:
                return listed, Ranking(estimates, matches, listed).ranks(advance)
        except InexactScores:
            if estimates.proven:
                raise


def _rank_in(distances, queries, items, matches, histogram):
    """`(offsets, ranks)` of the matches in rows of distances; adds the rows to the histogram, if there is one."""
    ranks, done = [], 0
    with progress("ranking", total=queries, unit="queries") as advance:
        for start, block in _blocks(distances):
            _check_block(block, start, done, queries, items)
            done += len(block)
            for index, row in enumerate(block, start):
                if not np.isfinite(row).all():
                    raise UserError(
                        f"distances must be finite. Received: NaN or infinity in the row of query {index}."
                    )
                positives, junk = matches[index]
                ranks.append(_ranks(row, positives, junk))
            if histogram:
                histogram.add(block, *zip(*(matches[index] for index in range(start, done)), strict=True))
            advance(len(block))
    if done < queries:
        raise UserError(f"`distances` must cover all {queries} queries. Received: {done} rows.")
    return np.cumsum([0, *map(len, ranks)]), np.concatenate(ranks)


def _ranks(row, positives, junk):
    """Ranks (from 1, ascending) of the positives in a stable sort of the row without its junk."""
    if not len(positives):
        return np.empty(0, np.int64)
    row = np.array(row, dtype=np.result_type(row, np.float32))
    row[junk] = np.inf
    values = row[positives]
    order = np.argsort(values, kind="stable")
    values, positions = values[order], positives[order]
    # Only what is not farther than the last match can come before one; sorting values alone is vectorised by
    # NumPy.
    near = np.sort(row[row <= values[-1]])
    before = np.searchsorted(near, values, side="left")
    tied = np.searchsorted(near, values, side="right") > before + 1
    for value in np.unique(values[tied]) if tied.any() else ():
        same = values == value
        before[same] += np.searchsorted(np.flatnonzero(row == value), positions[same])
    return before + 1


def result_of(offsets, ranks, query, gallery, protocol, roc=None):
    """`RetrievalResult` of the ranks of all queries' matches, those of query i from `offsets[i]` on, ascending."""
    counts = np.diff(offsets)
    valid = counts > 0
    if not valid.any():
        raise UserError(_no_match(query, gallery, protocol))
    counts, starts = counts[valid], offsets[:-1][valid]
    precisions = (np.arange(len(ranks)) - np.repeat(starts, counts) + 1) / ranks
    first = ranks[starts]
    hits = np.bincount(np.minimum(first, _MAX_RANK + 1), minlength=_MAX_RANK + 2)
    return RetrievalResult(
        cmc=(np.cumsum(hits[1:]) / len(first))[: min(_MAX_RANK, len(gallery))],
        average_precision=np.add.reduceat(precisions, starts) / counts,
        inverse_negative_penalty=counts / ranks[starts + counts - 1],
        valid_queries=valid,
        first_match=first,
        roc=roc,
    )


def _blocks(distances):
    if hasattr(distances, "blocks"):
        return distances.blocks()
    return [(0, np.asarray(distances))]


def _check_block(block, start, expected_start, num_queries, num_gallery):
    fits = block.ndim == 2 and block.shape[1] == num_gallery and start + len(block) <= num_queries
    if not fits or start != expected_start:
        raise UserError(
            f"`distances` must have a row for each of {num_queries} queries, in order, and a column for each "
            f"of {num_gallery} gallery items. Received: a block of shape {block.shape} for the queries from "
            f"{start} on, after {expected_start} rows."
        )


def _no_match(query, gallery, protocol):
    shared = np.isin(query.identities, gallery.identities).any()
    if not shared:
        return (
            "no query has a match: query and gallery share no identity. "
            "Are their identities numbered together, from the same names?"
        )
    return (
        f'no query has a match under the protocol "{protocol}": every gallery item of a query\'s identity '
        "comes from the query's own camera. "
        'Use protocol="all" where there is one camera only, or cameras are unknown.'
    )
