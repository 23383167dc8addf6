"""Results of a test that is drawn several times."""

import dataclasses

import numpy as np

from keras_reid.evaluation.retrieval_result import METRICS, SUMMARY, RetrievalResult


@dataclasses.dataclass(frozen=True, eq=False)
class RepeatedResult:
    """The mean over several draws of one test: VehicleID's ten galleries, CUHK03's single-shot galleries, its splits.

    Has the numbers of `RetrievalResult`: `rank1 … mAP mINP`, `cmc`, `rank(k)`, `recalls(ks)`, `num_queries`,
    `num_valid_queries` (of one draw, in the mean).

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
    def cmc(self):
        """Mean curve, up to the shortest one's last rank."""
        length = min(len(result.cmc) for result in self.results)
        return np.mean([result.cmc[:length] for result in self.results], axis=0)

    def rank(self, k):
        """Share of the queries with a hit among the first k."""
        return float(np.mean([result.rank(k) for result in self.results]))

    def recalls(self, ks):
        """As `RetrievalResult.recalls`."""
        return {f"recall@{k}": self.rank(k) for k in ks}

    def spread(self, name):
        """Standard deviation of a metric between the draws."""
        return float(
            np.std([getattr(result, name) for result in self.results], ddof=1 if len(self.results) > 1 else 0)
        )

    def to_dict(self):
        """The summary as plain numbers, for JSON, with the number of draws and the metrics' spread."""
        summary = {name: getattr(self, name) for name in SUMMARY}
        summary["repetitions"] = len(self.results)
        summary["spread"] = {name: self.spread(name) for name in METRICS}
        if all(getattr(result, "roc", None) is not None for result in self.results):
            summary["roc"] = _mean([result.roc.to_dict() for result in self.results])
        return summary


def _mean(summaries):
    """The mean of numbers, in dicts of dicts."""
    first = summaries[0]
    if isinstance(first, dict):
        return {key: _mean([summary[key] for summary in summaries]) for key in first}
    return float(np.mean(summaries))
