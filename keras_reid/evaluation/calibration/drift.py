"""An alarm for scores that no longer come from the distribution of the calibration."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from keras_reid.utils.errors import UserError

_LEAST = 20  # reference scores


@dataclasses.dataclass(frozen=True)
class Drift:
    """What a `DriftAlarm` found.

    Args:
        query: number of the score at which it went off, from 1.
        direction: `"higher"` or `"lower"` than the reference.
    """

    query: int
    direction: str


class DriftAlarm:
    """Watches scores one by one, and says when they have become higher or lower than they were.

    A two-sided cumulative sum of the scores' normal ranks z among the reference:

    `S⁺ ← max(0, S⁺ + z − k)`, `S⁻ ← max(0, S⁻ − z − k)`; alarm above `h`

    A score is for example the distance of a query to its best match. Scores of the reference must come about in the
    same way, from the same gallery: the first few hundred queries after a start, or what the calibration keeps
    (`calibration.best_matches`) if the gallery is like that of the calibration. Shifts of less than k standard
    deviations are accepted for ever; one of δ is found after about `h / (δ − k)` scores. Once it went off, it stays so.
    Time and memory: a few numbers for each score.

    Args:
        reference: scores from before, in any order, at least 20.
        allowance: k, in standard deviations.
        limit: h. For independent scores a third of the default would do; it is that high because other identities
            than those of the reference differ a little, and the scores of one identity come one after the other.

    Raises:
        UserError: the reference has fewer than 20 scores, a score is not finite, or an argument is not positive.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> alarm = DriftAlarm(rng.normal(0.2, 0.05, 500))
        >>> alarm.add(rng.normal(0.2, 0.05, 2000)) is None
        True
        >>> alarm.add(rng.normal(0.3, 0.05, 100)).direction
        'higher'

    Source: Page, "Continuous inspection schemes", Biometrika 41, 1954. The original has no alarm.
    """

    def __init__(self, reference: Sequence[float], allowance: float = 0.75, limit: float = 30.0) -> None:
        self._reference = np.sort(_finite(reference))
        if len(self._reference) < _LEAST:
            raise UserError(
                f"a drift alarm needs at least {_LEAST} scores as a reference. Received: {len(self._reference)}."
            )
        for name, value in (("allowance", allowance), ("limit", limit)):
            if not value > 0:
                raise UserError(f"`{name}` of a drift alarm must be positive. Received: {value}.")
        self.allowance, self.limit = allowance, limit
        self.seen = 0
        self.drift: Drift | None = None
        self._higher = self._lower = 0.0

    def add(self, scores: float | Iterable[float]) -> Drift | None:
        """Takes scores in the order of their queries.

        Args:
            scores: a number, or several.

        Returns:
            `Drift` if the alarm went off, now or before; else None.
        """
        for rank in self._normal_ranks(_finite(scores)):
            self.seen += 1
            self._higher = max(0.0, self._higher + rank - self.allowance)
            self._lower = max(0.0, self._lower - rank - self.allowance)
            if self.drift is None and max(self._higher, self._lower) > self.limit:
                self.drift = Drift(self.seen, "higher" if self._higher > self._lower else "lower")
        return self.drift

    def _normal_ranks(self, scores):
        # Ties count half; beyond the ends a score ranks half a place outside.
        places = (
            np.searchsorted(self._reference, scores, "left")
            + np.searchsorted(self._reference, scores, "right")
        ) / 2
        shares = (places + 0.5) / (len(self._reference) + 1)
        return [statistics.NormalDist().inv_cdf(float(share)) for share in shares]


def _finite(scores):
    scores = np.atleast_1d(np.asarray(scores, np.float64)).ravel()
    if not np.isfinite(scores).all():
        raise UserError("scores of a drift alarm must be finite numbers. Received: NaN or infinity.")
    return scores
