"""Which queries a report shows: the best, some from the middle, and the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_reid.evaluation.retrieval_result import RetrievalResult


def choose_queries(
    result: RetrievalResult, identities: np.ndarray, best: int = 2, middle: int = 2, worst: int = 4
) -> dict[str, list[int]]:
    """The best and the worst queries by average precision, and some from the middle.

    The queries of a group show different identities if there are enough; no query is chosen twice.

    Args:
        result: `RetrievalResult`. Queries without a match are not chosen.
        identities: `(num_queries,)` identity of each query.
        best, middle, worst: how many of each.

    Returns:
        `{"best": [...], "middle": [...], "worst": [...]}`, positions of queries. The last group begins with the worst.

    Example:
        >>> choose_queries(result, query.identities, best=1, middle=0, worst=1)  # doctest: +SKIP
        {'best': [4], 'middle': [], 'worst': [17]}
    """
    valid = np.flatnonzero(result.valid_queries)
    best_first = valid[np.argsort(-result.average_precision, kind="stable")]
    from_the_middle = best_first[
        np.argsort(np.abs(np.arange(len(best_first)) - len(best_first) // 2), kind="stable")
    ]
    taken = set()

    def take(order, count):
        left = [position for position in order.tolist() if position not in taken]
        _, firsts = np.unique(identities[left], return_index=True)
        chosen = [left[first] for first in np.sort(firsts)[:count]]
        chosen += [position for position in left if position not in chosen][: count - len(chosen)]
        taken.update(chosen)
        return chosen

    # The worst first: in a small test set they matter most.
    groups = {"worst": take(best_first[::-1], worst), "best": take(best_first, best)}
    return {"best": groups["best"], "middle": take(from_the_middle, middle), "worst": groups["worst"]}
