"""Exact ranks and neighbours without a full matrix of distances. Two doors: `rank_matches` and `nearest`.

Exact distances (`Distances`, float64, each pair for itself) of all pairs would take time, their matrix memory. So:

1. `estimates`: a float32 matrix product gives a score to each pair, larger = nearer, a block of queries at a time.
   `error_bounds` says how far a score may be off, and why.
2. What is farther from a match's score than that stands certainly before or behind the match. `counting` counts it.
3. The exact distance is computed of the few items that are too close to call. Where it equals the match's, the one that
   comes first in the gallery is first.
4. A query with too many of them (copies in masses) gets a whole row of exact distances.

A worked example: one query and five gallery items, of which item 2 is the match; scores may be off by 0.01. The match's
exact distance is 0.5000, so its score would be 0.50, and the interval of doubt reaches from 0.49 to 0.51.

    item              0        1        2        3        4
    score             0.91     0.505    0.501    0.493    0.10
    by the score      before   ?        match    ?        behind
    exact distance             0.4951   0.5000   0.5062
    so                before   before            behind   behind

Two items stand before the match: its rank is 3. The distances of items 0 and 4 were never computed exactly.

Functions that say the same without any of this, in 15 lines each: tests/evaluation/exact/reference.py.
"""

from keras_reid.evaluation.exact.estimates import LEAST_MEMORY
from keras_reid.evaluation.exact.match_ranks import rank_matches
from keras_reid.evaluation.exact.neighbors import nearest

__all__ = ["LEAST_MEMORY", "nearest", "rank_matches"]
