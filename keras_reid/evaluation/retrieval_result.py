"""The numbers of a retrieval evaluation."""

import dataclasses

import numpy as np

from keras_reid.evaluation.roc import RocCurve

METRICS = ("rank1", "rank5", "rank10", "mAP", "mINP")
SUMMARY = (*METRICS, "num_queries", "num_valid_queries")


@dataclasses.dataclass(frozen=True, eq=False)
class RetrievalResult:
    """Metrics as fractions (0…1), over the queries that have at least one match in the gallery.

    With the ranks `r_1 < … < r_m` (from 1, junk left out) of a query's m matches: its average precision is
    the mean of `k / r_k`, its inverse negative penalty `m / r_m`, and it is a hit at rank k where `r_1 ≤ k`.

    Args:
        cmc: `(ranks,)` share of queries with a hit within rank 1, 2, … (up to 50, or the size of the
            gallery).
        average_precision: `(num_valid_queries,)`, in the order of the queries.
        inverse_negative_penalty: `(num_valid_queries,)`.
        valid_queries: `(num_queries,)` bool: False for a query without a match, which is left out of every
            mean.
        first_match: `(num_valid_queries,)` rank of the first match; None where only the curve is known.
        roc: `RocCurve`, where it was asked for.

    Example:
        >>> import numpy as np
        >>> each = np.array([1.0, 0.5])
        >>> result = RetrievalResult(np.array([0.5, 1.0]), each, each, valid_queries=np.ones(2, bool))
        >>> result.rank1, result.mAP
        (0.5, 0.75)
    """

    cmc: np.ndarray
    average_precision: np.ndarray
    inverse_negative_penalty: np.ndarray
    valid_queries: np.ndarray
    first_match: np.ndarray | None = None
    roc: RocCurve | None = None

    def rank(self, k):
        """Share of the queries with a hit among the first k: rank-k accuracy, in image retrieval Recall@k.

        Where `first_match` is not known, k is at most 50.
        """
        if self.first_match is not None and k > len(self.cmc):
            return float((self.first_match <= k).mean())
        # A gallery smaller than k is exhausted: nothing more can be hit after its last item.
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def recalls(self, ks):
        """Recall@K, the share of the queries with a match among the K nearest, for each K: `{"recall@1": 0.69, …}`."""
        return {f"recall@{k}": self.rank(k) for k in ks}

    @property
    def rank1(self):
        """Rank-1 accuracy."""
        return self.rank(1)

    @property
    def rank5(self):
        """Rank-5 accuracy."""
        return self.rank(5)

    @property
    def rank10(self):
        """Rank-10 accuracy."""
        return self.rank(10)

    @property
    def mAP(self):
        """Mean average precision."""
        return float(self.average_precision.mean())

    @property
    def mINP(self):
        """Mean inverse negative penalty: how early the *last* match of a query comes."""
        return float(self.inverse_negative_penalty.mean())

    @property
    def num_queries(self):
        """Number of queries given."""
        return len(self.valid_queries)

    @property
    def num_valid_queries(self):
        """Number of queries with at least one match in the gallery."""
        return int(self.valid_queries.sum())

    def to_dict(self):
        """The summary as plain numbers, for JSON; that of the ROC below `"roc"`, if there is one."""
        summary = {name: getattr(self, name) for name in SUMMARY}
        return summary if self.roc is None else {**summary, "roc": self.roc.to_dict()}
