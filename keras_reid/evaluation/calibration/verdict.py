"""The answer to "is it the same one or not?"."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether two images show the same identity, and how sure that is.

    Args:
        verdict: `"same"`, `"different"` or `"unsure"`, by the probability and the calibration's two bands.
        probability: of the same identity, 0 … 1, at `prior`.
        distance: between the two embeddings, in the calibration's metric.
        threshold: the distance below which a yes-or-no decision says yes, at the false-positive rate that was chosen
            in the calibration.
        prior: share of same pairs among all that are asked about, 0 … 1.
        metric: `"cosine"` or `"euclidean"`.

    Example:
        >>> print(Verdict("same", 0.97, 0.21, 0.28, 0.5, "cosine"))
        same: probability 0.9700 at prior 0.5 (distance 0.2100, cosine similarity 0.7900; below the threshold 0.2800)
    """

    verdict: str
    probability: float
    distance: float
    threshold: float
    prior: float
    metric: str

    @property
    def accepted(self):
        """The yes-or-no decision: whether the distance is below the threshold. It does not depend on the prior."""
        return self.distance < self.threshold

    def to_dict(self):
        """Plain values, for JSON."""
        return {**dataclasses.asdict(self), "accepted": self.accepted}

    def __str__(self):
        similarity = f", cosine similarity {1 - self.distance:.4f}" if self.metric == "cosine" else ""
        side = "below" if self.accepted else "not below"
        return (
            f"{self.verdict}: probability {self.probability:.4f} at prior {self.prior:.3g} "
            f"(distance {self.distance:.4f}{similarity}; {side} the threshold {self.threshold:.4f})"
        )
