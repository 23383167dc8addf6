"""The numbers of a retrieval evaluation: of one test, or the mean of a test that is drawn several times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.roc import RocCurve
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.ground_truth import GroundTruth

METRICS = ("rank1", "rank5", "rank10", "mAP", "mINP")
SUMMARY = (*METRICS, "num_queries", "num_valid_queries")
_MAX_RANK = 50


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
        valid_queries: `(num_queries,)` bool: False for a query without a match, which is left out of every mean.
        first_match: `(num_valid_queries,)` rank of the first match; None if only the curve is known.
        roc: `RocCurve`, if it was asked for.

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

    def rank(self, k: int) -> float:
        """Share of the queries with a hit among the first k: rank-k accuracy, in image retrieval Recall@k.

        If `first_match` is not known, k is at most 50.
        """
        if self.first_match is not None and k > len(self.cmc):
            return float((self.first_match <= k).mean())
        # In a gallery smaller than k nothing is left to hit after its last item.
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def recalls(self, ks: Iterable[int]) -> dict[str, float]:
        """Recall@K, the share of the queries with a match among the K nearest, for each K: `{"recall@1": 0.69, …}`."""
        return {f"recall@{k}": self.rank(k) for k in ks}

    @property
    def rank1(self) -> float:
        """Rank-1 accuracy."""
        return self.rank(1)

    @property
    def rank5(self) -> float:
        """Rank-5 accuracy."""
        return self.rank(5)

    @property
    def rank10(self) -> float:
        """Rank-10 accuracy."""
        return self.rank(10)

    @property
    def mAP(self) -> float:
        """Mean average precision."""
        return float(self.average_precision.mean())

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty: how early the *last* match of a query comes."""
        return float(self.inverse_negative_penalty.mean())

    @property
    def num_queries(self) -> int:
        """Number of queries given."""
        return len(self.valid_queries)

    @property
    def num_valid_queries(self) -> int:
        """Number of queries with at least one match in the gallery."""
        return int(self.valid_queries.sum())

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain numbers, for JSON, with that of the ROC under `"roc"`, if there is one."""
        summary = {name: getattr(self, name) for name in SUMMARY}
        return summary if self.roc is None else {**summary, "roc": self.roc.to_dict()}


@dataclasses.dataclass(frozen=True, eq=False)
class RepeatedResult:
    """The mean over several draws of one test: VehicleID's ten galleries, CUHK03's single-shot galleries, its splits.

    It has the numbers of `RetrievalResult`: `rank1 … mAP mINP`, `cmc`, `rank(k)`, `recalls(ks)`, and the mean
    `num_queries` and `num_valid_queries` of a draw.

    Args:
        results: `RetrievalResult` of each draw.

    Example:
        >>> result = RepeatedResult((first, second))  # doctest: +SKIP
        >>> result.rank1, result.spread("rank1")  # doctest: +SKIP
        (0.81, 0.004)
    """

    results: tuple[RetrievalResult, ...]

    def __getattr__(self, name):
        if name in METRICS:
            return float(np.mean([getattr(result, name) for result in self.results]))
        if name in SUMMARY:
            return round(np.mean([getattr(result, name) for result in self.results]))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def cmc(self) -> NDArray[Any]:
        """Mean curve, up to the shortest one's last rank."""
        length = min(len(result.cmc) for result in self.results)
        return np.mean([result.cmc[:length] for result in self.results], axis=0)

    def rank(self, k: int) -> float:
        """Share of the queries with a hit among the first k."""
        return float(np.mean([result.rank(k) for result in self.results]))

    def recalls(self, ks: Iterable[int]) -> dict[str, float]:
        """As `RetrievalResult.recalls`."""
        return {f"recall@{k}": self.rank(k) for k in ks}

    def spread(self, name: str) -> float:
        """Standard deviation of a metric between the draws."""
        return float(
            np.std([getattr(result, name) for result in self.results], ddof=1 if len(self.results) > 1 else 0)
        )

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain numbers, for JSON, with the number of draws and the metrics' spread."""
        summary = {name: getattr(self, name) for name in SUMMARY}
        summary["repetitions"] = len(self.results)
        summary["spread"] = {name: self.spread(name) for name in METRICS}
        if all(getattr(result, "roc", None) is not None for result in self.results):
            summary["roc"] = _mean([result.roc.to_dict() for result in self.results if result.roc])
        return summary


def _mean(summaries):
    """The mean of numbers, in dicts of dicts."""
    first = summaries[0]
    if isinstance(first, dict):
        return {key: _mean([summary[key] for summary in summaries]) for key in first}
    return float(np.mean(summaries))


def result_of_ranks(
    offsets: NDArray[Any], ranks: NDArray[Any], truth: GroundTruth, roc: RocCurve | None = None
) -> RetrievalResult:
    """The metrics that follow from the ranks of all queries' matches.

    Args:
        offsets: `(queries + 1,)`: where the ranks of each query's matches begin.
        ranks: `(matches,)` from 1, ascending for each query.
        truth: `GroundTruth`.
        roc: `RocCurve` to be kept with them, or None.

    Returns:
        A `RetrievalResult`.

    Raises:
        UserError: no query has a match.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features
        >>> from keras_reid.evaluation.ground_truth import GroundTruth
        >>> query, gallery = Features(np.eye(1), [7], None), Features(np.ones((3, 1)), [7, 5, 7], None)
        >>> result = result_of_ranks(np.array([0, 2]), np.array([1, 3]), GroundTruth(query, gallery, "all"))
        >>> round(result.mAP, 3), round(result.mINP, 3)  # the means of 1/1 and 2/3, and 2/3
        (0.833, 0.667)
    """
    counts = np.diff(offsets)
    valid = counts > 0
    if not valid.any():
        raise UserError(truth.why_no_match())
    counts, starts = counts[valid], offsets[:-1][valid]
    precisions = (np.arange(len(ranks)) - np.repeat(starts, counts) + 1) / ranks
    first = ranks[starts]
    hits = np.bincount(np.minimum(first, _MAX_RANK + 1), minlength=_MAX_RANK + 2)
    return RetrievalResult(
        cmc=(np.cumsum(hits[1:]) / len(first))[: min(_MAX_RANK, truth.num_items)],
        average_precision=np.add.reduceat(precisions, starts) / counts,
        inverse_negative_penalty=counts / ranks[starts + counts - 1],
        valid_queries=valid,
        first_match=first,
        roc=roc,
    )
