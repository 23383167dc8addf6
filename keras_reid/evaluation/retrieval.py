"""CMC, mAP and mINP, exactly, without a full distance matrix."""

import numpy as np

from keras_reid.errors import UserError
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.matches import Matches
from keras_reid.evaluation.result import RetrievalResult

_MAX_RANK = 50


def evaluate(query, gallery, metric="cosine", *, protocol="cross_camera", block_size=None, distances=None):
    """Ranks the gallery for every query and measures how early its matches come.

    A match's rank is the number of gallery items before it in a stable sort by distance (equal distances keep
    the order of the gallery), junk left out. Only the ranks of the matches are computed, a block of queries
    at a time: the memory is bounded whatever the size of the gallery. Equal results for every `block_size`.

    Args:
        query: `Features` of the queries.
        gallery: `Features` of the gallery.
        metric: `"cosine"` or `"euclidean"`; the second uses the embeddings as given.
        protocol: `"cross_camera"`: gallery items with the query's identity and camera are junk; `"all"`:
            nothing is junk (a query's own file must then not be in the gallery).
        block_size: queries in a block; None takes as many as fit into 256 MiB.
        distances: instead of `metric`: a `(queries, gallery)` array, or any object with `blocks()` that
            yields `(start, (rows, gallery) array)` and covers all queries in order, such as a re-ranking.

    Returns:
        A `RetrievalResult`. Queries without a match are left out of every mean and counted in it.

    Raises:
        UserError: query or gallery is empty, their dimensions differ, an option is unknown, distances are not
            finite or of the wrong shape, or no query has a match.

    Example:
        >>> import numpy as np
        >>> query = Features([[1.0, 0.0]], identities=[3], cameras=[0])
        >>> gallery = Features([[0.0, 1.0], [1.0, 0.1]], identities=[5, 3], cameras=[1, 1])
        >>> evaluate(query, gallery).to_dict()["rank1"]
        1.0

    Source: CMC and mAP as in Zheng et al., "Scalable person re-identification: a benchmark", ICCV 2015 (AP
    without interpolation); mINP: Ye et al., arXiv 2001.04193. The original breaks ties arbitrarily; here the
    order is stable.
    """
    matches = Matches(query, gallery, protocol)
    if distances is None:
        distances = Distances(query, gallery, metric, block_size)
    first_hits, average_precision, inverse_negative_penalty = [], [], []
    valid = np.zeros(len(query), bool)
    done = 0
    for start, block in _blocks(distances):
        _check_block(block, start, done, len(query), len(gallery))
        done += len(block)
        for index, row in enumerate(block, start):
            positives, junk = matches[index]
            if len(positives) == 0:
                continue
            ranks = _ranks(row, positives, junk, index)
            count = len(ranks)
            valid[index] = True
            first_hits.append(ranks[0])
            average_precision.append((np.arange(1, count + 1) / ranks).mean())
            inverse_negative_penalty.append(count / ranks[-1])
    if done < len(query):
        raise UserError(f"`distances` must cover all {len(query)} queries. Received: {done} rows.")
    if not first_hits:
        raise UserError(_no_match(query, gallery, protocol))
    hits = np.bincount(np.minimum(first_hits, _MAX_RANK + 1), minlength=_MAX_RANK + 2)
    return RetrievalResult(
        cmc=(np.cumsum(hits[1:]) / len(first_hits))[: min(_MAX_RANK, len(gallery))],
        average_precision=np.array(average_precision),
        inverse_negative_penalty=np.array(inverse_negative_penalty),
        valid_queries=valid,
    )


def _ranks(row, positives, junk, index):
    """Ranks (from 1, ascending) of the positives in a stable sort of the row without its junk."""
    row = np.array(row, dtype=np.result_type(row, np.float32))
    if not np.isfinite(row).all():
        raise UserError(f"distances must be finite. Received: NaN or infinity in the row of query {index}.")
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
