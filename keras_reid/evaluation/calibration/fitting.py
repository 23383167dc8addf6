"""Fits a calibration, and measures its reliability on identities that were not used for fitting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.evaluation.calibration.calibration import Calibration, check_prior, match_probability
from keras_reid.evaluation.calibration.cameras import fit_camera_thresholds
from keras_reid.evaluation.calibration.likelihood_ratio import fit_log_likelihood_ratio
from keras_reid.evaluation.calibration.pairs import count_pairs, halves, matched_identities
from keras_reid.evaluation.calibration.reliability import reliability, tally
from keras_reid.evaluation.exact import nearest
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.roc import FALSE_POSITIVE_RATES
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features

_SPLITS = 10
_QUANTILES = 100
_LEAST_MEMORY = 2**26  # what `nearest` needs


def calibrate(
    query: Features,
    gallery: Features,
    metric: str = "cosine",
    *,
    protocol: str = "cross_camera",
    flip: bool = False,
    prior: float | None = None,
    false_positive_rate: float = 1e-3,
    same_above: float = 0.9,
    different_below: float = 0.1,
    dataset: str | None = None,
    memory: int | None = None,
    camera_names: Mapping[int, str] | None = None,
) -> Calibration:
    """Fits distance → probability of the same identity on the pairs that evaluation counts.

    The model must not have been trained on these identities. The calibration is fitted to all of them. Its reliability
    is measured on identities that were not used for fitting: ten times they are split at random into halves, and
    what is fitted on each half is scored on the other. It is identities, not pairs, that differ from place to place:
    `deviation` says how much predicted and observed rates differ between halves.

    Time: that of the distances of all pairs twice, of counting them for each split, and of a search for each query's
    nearest image. Memory: see `memory`, and `fit_camera_thresholds`; there is no matrix over the gallery.

    Args:
        query, gallery, protocol: as in `evaluate`.
        metric: `"cosine"` or `"euclidean"`.
        flip: whether the embeddings are averages over each image and its mirror image; kept for `verify`.
        prior: share of same pairs, 0 … 1, for which probabilities hold; None for that of the pairs themselves.
        false_positive_rate: share of different pairs that the threshold may accept.
        same_above: probability from which the verdict is `"same"`.
        different_below: probability up to which it is `"different"`.
        dataset: name of the test set, which the calibration keeps.
        memory: bytes to use in addition to the features; None for 256 MiB.
        camera_names: number of a camera → the name that verdicts know it by; None for the number.

    Returns:
        A `Calibration`; `model.metadata.update(calibration.to_metadata())` gives it to a model.

    Raises:
        UserError: an option makes no sense; same pairs of fewer than 4 identities; fewer different pairs than the
            false-positive rate needs; as `evaluate`.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features, calibrate
        >>> rng, identities = np.random.default_rng(0), np.repeat(np.arange(20), 2)
        >>> embeddings = np.eye(20)[identities] + 0.3 * rng.standard_normal((40, 20))
        >>> features = Features(embeddings, identities, cameras=np.tile([0, 1], 20))
        >>> calibration = calibrate(features, features, false_positive_rate=0.01)
        >>> calibration.verdict(0.1, prior=0.5).verdict, calibration.verdict(1.2, prior=0.5).verdict
        ('same', 'different')
    """
    check_options(prior, false_positive_rate, same_above, different_below)
    truth = GroundTruth(query, gallery, protocol)
    matched = matched_identities(query, gallery, truth)
    identities = np.union1d(query.identities, gallery.identities)
    parts = [half for seed in range(_SPLITS) for half in halves(identities, matched, seed)]
    whole, *curves = count_pairs(query, gallery, metric, truth, [identities, *parts], memory)
    if false_positive_rate * whole.num_negative_pairs < 1:
        raise UserError(
            f"a false-positive rate of {false_positive_rate:g} cannot be measured with {whole.num_negative_pairs} "
            f"different pairs. Ask for at least {1 / whole.num_negative_pairs:.2g}, or calibrate on more images."
        )
    same_pairs, pairs = whole.num_positive_pairs, whole.num_positive_pairs + whole.num_negative_pairs
    prior = same_pairs / pairs if prior is None else prior
    rates = [
        rate
        for rate in sorted({*FALSE_POSITIVE_RATES, false_positive_rate})
        if rate * whole.num_negative_pairs >= 1
    ]
    distances, ratio = _fit(whole, query, gallery, matched, identities)
    return Calibration(
        metric=metric,
        flip=bool(flip),
        prior=float(prior),
        distances=distances.tolist(),
        log_likelihood_ratio=ratio.tolist(),
        same_above=same_above,
        different_below=different_below,
        threshold=whole.threshold_at(false_positive_rate),
        false_positive_rate=false_positive_rate,
        operating_points={
            "eer": whole.equal_error_rate,
            **{_name(rate): whole.tpr_at(rate) for rate in rates},
        },
        thresholds={
            "eer": float(whole.thresholds[np.argmax(whole.fpr >= 1 - whole.tpr)]),
            **{_name(rate): whole.threshold_at(rate) for rate in rates},
        },
        reliability=_held_out(curves, parts, query, gallery, matched, prior),
        fitted_on={
            "dataset": dataset,
            "protocol": protocol,
            "identities": len(matched),
            "pairs": pairs,
            "same_pairs": same_pairs,
        },
        cameras=fit_camera_thresholds(
            query, gallery, metric, truth, whole, false_positive_rate, camera_names, memory
        ),
        best_matches=_best_matches(query, gallery, metric, protocol, memory),
    )


def _best_matches(query, gallery, metric, protocol, memory):
    """100 quantiles of the distances of the queries to their nearest gallery images."""
    memory = max(_LEAST_MEMORY, 4 * _LEAST_MEMORY if memory is None else memory)
    distances = nearest(query, gallery, 1, metric, protocol, memory=memory)[1][:, 0]
    found = distances[np.isfinite(distances)].astype(np.float64)
    return np.quantile(found, (np.arange(_QUANTILES) + 0.5) / _QUANTILES).tolist()


def _held_out(curves, parts, query, gallery, matched, prior):
    """Reliability of the fit to one half in the other half."""
    tallies = []
    for place, (curve, part) in enumerate(zip(curves, parts, strict=True)):
        table = _fit(curve, query, gallery, matched, part)
        distances, same, different = _counts(curves[place ^ 1])  # the two halves of a split are neighbours
        tallies.append(tally(match_probability(distances, *table, prior), same, different, prior))
    return reliability(tallies, _SPLITS)


def _fit(curve, query, gallery, matched, identities):
    """The table that fits the pairs of some identities."""
    queries, items = (np.intersect1d(features.identities, identities) for features in (query, gallery))
    identity_pairs = len(queries) * len(items) - len(np.intersect1d(queries, items))
    return fit_log_likelihood_ratio(*_counts(curve), len(np.intersect1d(matched, identities)), identity_pairs)


def _counts(curve):
    """`(distances, same, different)`, `(bins,)` each: how many pairs lie between a threshold and the one before."""
    same, different = (
        np.rint(np.diff(rates) * pairs)
        for rates, pairs in ((curve.tpr, curve.num_positive_pairs), (curve.fpr, curve.num_negative_pairs))
    )
    return curve.thresholds[1:], same, different


def _name(rate):
    """`0.001` → `"tpr@fpr=1e-3"`."""
    digits, exponent = f"{rate:e}".split("e")
    return f"tpr@fpr={float(digits):g}e{int(exponent)}"


def check_options(
    prior: float | None, false_positive_rate: float, same_above: float, different_below: float
) -> None:
    """Refuses options that make no sense.

    Raises:
        UserError: one is not between 0 and 1, or the two bands of the verdict overlap.
    """
    if prior is not None:
        check_prior(prior)
    if not 0 < false_positive_rate < 1:
        raise UserError(
            "the false-positive rate is a share of different pairs and must lie between 0 and 1. "
            f"Received: {false_positive_rate}. Usual is 0.001."
        )
    if not 0 < different_below < same_above < 1:
        raise UserError(
            "the verdicts' probabilities must be 0 < different_below < same_above < 1. "
            f"Received: different_below={different_below}, same_above={same_above}."
        )
