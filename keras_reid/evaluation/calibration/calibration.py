"""From the distance of a pair to the probability of the same identity, and to a verdict."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.calibration.cameras import CameraThreshold, camera_threshold
from keras_reid.evaluation.calibration.domain import is_domain, outlyingness
from keras_reid.utils.errors import UserError

KEY = "calibration"  # in a model's metadata


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether two images show the same identity, and how certain that is.

    Args:
        verdict: `"same"`, `"different"` or `"unsure"`, by the probability and the calibration's two bands.
        probability: of the same identity, 0 … 1, at `prior`.
        distance: between the two embeddings, in the calibration's metric.
        threshold: the distance below which a yes-or-no decision says yes, at the calibration's false-positive rate.
        prior: share of same pairs among all pairs that are asked about, 0 … 1.
        metric: `"cosine"` or `"euclidean"`.
        outside: whether an image looks unlike those of the calibration. Then the distance says nothing: the verdict is
            `"unsure"`, the probability is the prior, and nothing is accepted.
        reason: what limits the verdict, in words; None if nothing does.

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
    outside: bool = False
    reason: str | None = None

    @property
    def accepted(self) -> bool:
        """The yes-or-no decision: whether the distance is below the threshold. It does not depend on the prior.

        False if an image looks unlike those of the calibration.
        """
        return self.distance < self.threshold and not self.outside

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**dataclasses.asdict(self), "accepted": self.accepted}

    def __str__(self):
        similarity = f", cosine similarity {1 - self.distance:.4f}" if self.metric == "cosine" else ""
        side = "below" if self.distance < self.threshold else "not below"
        reason = f"; {self.reason}" if self.reason else ""
        return (
            f"{self.verdict}: probability {self.probability:.4f} at prior {self.prior:.3g} "
            f"(distance {self.distance:.4f}{similarity}; {side} the threshold {self.threshold:.4f}){reason}"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Distance → log-likelihood ratio → probability that two images show the same identity.

    `p = sigmoid(llr(distance) + logit(prior))`, where `llr = log(density among same pairs / density among different
    ones)` is a falling, piecewise linear table that does not depend on the prior. The prior is the share of same pairs
    among all pairs that are asked about. Unless it was set, the stored one is that of the test set's query × gallery
    pairs, often below one in a hundred: right for a search in such a gallery. For pairs that are as often the same as
    not it is 0.5.

    Saved models and exports hold it in `model.metadata["calibration"]`; `model.metadata["threshold"]` is its threshold.

    Args:
        metric: `"cosine"`, or `"euclidean"` of raw embeddings (an export's are L2-normalised: it needs cosine).
        flip: whether embeddings are averages over each image and its mirror image.
        prior: share of same pairs, 0 … 1.
        distances: `(knots,)` ascending.
        log_likelihood_ratio: `(knots,)` never rising; constant beyond the ends.
        same_above: probability from which the verdict is `"same"`.
        different_below: probability up to which it is `"different"`.
        threshold: distance below which pairs are accepted at `false_positive_rate`.
        false_positive_rate: share of different pairs that the threshold accepts, at most.
        operating_points: `"eer"`, and `"tpr@fpr=1e-3"` and the like: fractions.
        thresholds: the distance of each of these.
        reliability: a dict a bin of the probability: `lower`, `upper`, `predicted` (mean), `observed` (match rate),
            `pairs`, `deviation`; of identities that were not used for fitting.
        fitted_on: `dataset`, `protocol`, and how many `identities`, `pairs`, `same_pairs`.
        cameras: thresholds by pair of cameras, from `fit_camera_thresholds`; None if cameras were unknown or few.
        best_matches: 100 quantiles of the distances of queries to their nearest gallery images, for `DriftAlarm`.
        domain: what images of the calibration look like, from `fit_domain`, or None: then no image counts as outside.

    Example:
        >>> from keras_reid.evaluation import Calibration
        >>> calibration = Calibration(
        ...     "cosine", False, 0.5, [0.0, 1.0], [4.0, -4.0], 0.9, 0.1, 0.3, 1e-3, {}, {}, [], {})
        >>> calibration.probability([0.0, 0.5, 1.0]).round(3).tolist()
        [0.982, 0.5, 0.018]
        >>> calibration.verdict(0.5).verdict, calibration.verdict(0.5, prior=0.95).verdict
        ('unsure', 'same')

    Source: Brümmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech and
    Language 20, 2006, for the separation of likelihood ratio and prior. The original has no calibration.
    """

    metric: str
    flip: bool
    prior: float
    distances: list
    log_likelihood_ratio: list
    same_above: float
    different_below: float
    threshold: float
    false_positive_rate: float
    operating_points: dict
    thresholds: dict
    reliability: list
    fitted_on: dict
    cameras: dict[str, Any] | None = None
    best_matches: list[float] | None = None
    domain: dict[str, Any] | None = None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Calibration:
        """The calibration in a model's metadata, or in that of an export.

        The first calibrations with a `domain` described images by other numbers: it is left out, with a warning.

        Args:
            metadata: dict, such as `model.metadata`.

        Raises:
            UserError: there is no calibration, or it is incomplete.
        """
        stored = metadata.get(KEY)
        if not stored:
            raise UserError(
                "the model has no calibration, which turns distances into probabilities. "
                "Run `keras-reid calibrate RUN_OR_MODEL` first."
            )
        fields = dataclasses.fields(cls)
        missing = [
            field.name
            for field in fields
            if field.name not in stored and field.default is dataclasses.MISSING
        ]
        if missing:
            raise UserError(
                f"the model's calibration lacks {', '.join(missing)}. "
                "Was it written by another version? Run `keras-reid calibrate RUN_OR_MODEL` again."
            )
        values = {field.name: stored[field.name] for field in fields if field.name in stored}
        if values.get("domain") and not is_domain(values["domain"]):
            warnings.warn(
                "the model's calibration describes its images in an earlier way, so verdicts do not check whether "
                "images look like them. Run `keras-reid calibrate RUN_OR_MODEL` again.",
                stacklevel=2,
            )
            values["domain"] = None
        return cls(**values)

    def to_metadata(self) -> dict[str, Any]:
        """The entries for a model's metadata: `calibration`, JSON-able, and `threshold`."""
        return {KEY: dataclasses.asdict(self), "threshold": self.threshold}

    def probability(self, distances: float | NDArray[Any], prior: float | None = None) -> NDArray[np.float64]:
        """Probability that each pair is of one identity.

        Args:
            distances: a number or an array of any shape.
            prior: share of same pairs, 0 … 1; None for the stored one.

        Returns:
            float64 array of the same shape, 0 … 1.

        Raises:
            UserError: the prior is not between 0 and 1, or a distance is NaN.
        """
        prior = check_prior(self.prior if prior is None else prior)
        distances = np.asarray(distances, np.float64)
        if np.isnan(distances).any():
            raise UserError("a distance must be a number. Received: NaN. Is an embedding NaN?")
        return match_probability(distances, self.distances, self.log_likelihood_ratio, prior)

    def outside(self, looks: np.ndarray) -> np.ndarray:
        """Whether images look unlike those of the calibration, so that their distances say nothing.

        Args:
            looks: `(n, 192)` of `keras_reid.evaluation.appearance`.

        Returns:
            bool `(n,)`; all False if the calibration keeps no domain.
        """
        if self.domain is None:
            return np.zeros(len(looks), bool)
        return outlyingness(self.domain, looks) > 1

    def verdict(
        self,
        distance: float,
        prior: float | None = None,
        cameras: Sequence[Any] | None = None,
        outside: Sequence[str] = (),
    ) -> Verdict:
        """`Verdict` on one pair: `"same"`, `"different"` or `"unsure"`.

        With cameras, the threshold is that of their pair, and the distance counts as if it were as far from the common
        threshold as it is from that one.

        Args:
            distance: between the two embeddings.
            prior: as in `probability`.
            cameras: names of the two cameras, as in the data set of the calibration, in any order; None if unknown.
                For one that was not calibrated the conservative threshold applies, and the reason says so.
            outside: names, for the reason, of those of the two images that look unlike those of the calibration.

        Raises:
            UserError: as `probability`; there are not two cameras.
        """
        prior = self.prior if prior is None else prior
        at = CameraThreshold(self.threshold)
        if cameras is not None:
            at = camera_threshold(self.cameras, cameras, self.threshold)
        probability = float(self.probability(distance - (at.threshold - self.threshold), prior))
        verdict, reasons = "unsure", [at.remark] if at.remark else []
        if outside:
            # What a distance means there was never measured: the likelihood ratio is 1.
            probability = prior
            look = "looks" if len(outside) == 1 else "look"
            reasons.append(f"{' and '.join(outside)} {look} unlike the images of the calibration")
        elif probability >= self.same_above:
            verdict = "same"
        elif probability <= self.different_below:
            verdict = "different"
        reason = "; ".join(reasons) or None
        return Verdict(
            *(verdict, probability, float(distance), at.threshold, prior, self.metric),
            outside=bool(outside),
            reason=reason,
        )


def match_probability(
    distances: float | NDArray[Any],
    knots: Sequence[float],
    log_likelihood_ratio: Sequence[float],
    prior: float,
) -> NDArray[np.float64]:
    """`sigmoid(llr(distance) + logit(prior))`, where `llr` is the table of ratios at the knots."""
    return sigmoid(np.interp(distances, knots, log_likelihood_ratio) + logit(prior))


def logit(probability: float) -> float:
    """`log(p / (1 − p))`."""
    return math.log(probability / (1 - probability))


def sigmoid(values: float | NDArray[Any]) -> NDArray[np.float64]:
    """`1 / (1 + exp(−x))`, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * values))


def check_prior(prior: float) -> float:
    """The prior, if it is one.

    Raises:
        UserError: it is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise UserError(
            f"the prior is the share of same pairs and must lie between 0 and 1. Received: {prior}."
        )
    return prior
