"""From the tracklets of several cameras to identities."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.evaluation.calibration.calibration import logit, sigmoid
from keras_reid.tracks.association.camera_shifts import without_camera_shifts
from keras_reid.tracks.clustering import (
    add_neighbours,
    agglomerate,
    check_count,
    check_options,
    estimated_prior,
    log_odds_of,
    pair_log_odds,
)

if TYPE_CHECKING:
    from keras_reid.evaluation.calibration.calibration import Calibration
    from keras_reid.tracks.records import Tracks


# Tracklets that an average one shares its identity with. With fewer, lists of neighbours are too short to say anything.
_LEAST_OTHERS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Association:
    """Which tracklets show the same one.

    Args:
        identity: for each camera `(t,)` int64: the identity of each tracklet, from 1, in the order of the tracklets.
        probability: for each camera `(t,)` float64: that a tracklet belongs to the others of its identity, by its mean
            log odds with them; NaN for the only one of an identity.
        prior: share of same pairs that the probabilities hold for.
    """

    identity: tuple[NDArray[np.int64], ...]
    probability: tuple[NDArray[np.float64], ...]
    prior: float

    @property
    def count(self) -> int:
        """How many identities there are."""
        return max((int(one.max(initial=0)) for one in self.identity), default=0)


def associate(
    tracks: Sequence[Tracks],
    calibration: Calibration,
    *,
    prior: float | None = None,
    probability: float = 0.5,
    cannot_link: ArrayLike = (),
) -> Association:
    """Groups the tracklets of all cameras into identities.

    Groups are joined by average linkage, under the constraints (`keras_reid.tracks.clustering.agglomerate`), as long as
    their members are the same more probably than `probability`. The evidence of two tracklets is the calibrated
    log-likelihood ratio of the distance of their embeddings; where an average tracklet shares its identity with at
    least 3 others, together with that of their common neighbours (`keras_reid.tracks.clustering.add_neighbours`). It
    is done twice: from the first result follows what each camera adds to embeddings (`camera_shifts`), which is taken
    off for the second.

    A calibration is made of single images, and the mean of many crops lies closer to other means. So of two tracklets
    that are picked at random, the probability claims too much; of those that were joined, which had to be each other's
    best choice and possible in time, it about holds (docs/video.md has the measurements). The mean over all pairs of a
    crop of each would claim too little, and leaves most identities in parts.

    Time: twice that of the log odds and of `agglomerate`. Memory: 12 bytes for each pair of tracklets.

    Args:
        tracks: of one camera each, all by the calibrated model.
        calibration: of the model, for cosine distances.
        prior: share of same pairs, 0 … 1, among the pairs of tracklets that can be the same; None estimates it from
            their distances (`keras_reid.tracks.clustering.estimated_prior`).
        probability: 0 … 1. Default 0.5.
        cannot_link: `(k, 2)` pairs of tracklets, counted through all `tracks`, as of
            `keras_reid.tracks.association.constraints.impossible_pairs`.

    Raises:
        UserError: there are more than 20 000 tracklets, `probability` or `prior` is not between 0 and 1, or the
            calibration is not for cosine distances.

    Example:
        >>> cannot_link = impossible_pairs([door, hall])  # doctest: +SKIP
        >>> associate([door, hall], calibration, cannot_link=cannot_link).identity  # doctest: +SKIP
        (array([1, 2, 3]), array([2, 4]))
    """
    check_options(prior, probability)
    sizes = [len(one.tracklets) for one in tracks]
    check_count(sum(sizes))
    if not sum(sizes):
        empty = tuple(np.zeros(0) for _ in tracks)
        return Association(
            tuple(one.astype(np.int64) for one in empty), empty, 0.5 if prior is None else prior
        )
    embeddings = np.concatenate([one.tracklets.embedding for one in tracks])
    cameras = np.repeat(np.arange(len(tracks)), sizes)
    apart = np.asarray(cannot_link, np.int64).reshape(-1, 2)
    stop = logit(probability)
    log_odds, _ = _evidence(embeddings, calibration, prior, apart)
    labels = agglomerate(log_odds, stop=stop, overwrite=True)
    embeddings = without_camera_shifts(embeddings, cameras, labels)
    log_odds, prior = _evidence(embeddings, calibration, prior, apart)
    labels = agglomerate(log_odds, stop=stop)
    splits = np.cumsum(sizes)[:-1]
    belonging = _belonging(log_odds, labels)
    return Association(tuple(np.split(labels + 1, splits)), tuple(np.split(belonging, splits)), prior)


def _evidence(embeddings, calibration, prior, apart):
    """The log odds of all pairs, `-inf` for impossible ones, and the prior that they hold for."""
    odds = pair_log_odds(embeddings, log_odds_of(calibration, prior=0.5))
    first, second = apart.T
    share = prior
    if share is None:
        held = odds[first, second]
        odds[first, second] = odds[second, first] = -np.inf
        share = estimated_prior(odds)
        odds[first, second] = odds[second, first] = held
    shares: tuple[float, ...] = (share,)
    if (len(embeddings) - 1) * share >= _LEAST_OTHERS:
        shares = add_neighbours(embeddings, odds, share)
    shift = float(np.mean([logit(one) for one in shares])) if prior is None else logit(prior)
    odds += np.float32(shift)
    odds[first, second] = odds[second, first] = -np.inf
    return odds, float(sigmoid(shift)) if prior is None else prior


def _belonging(log_odds, labels):
    """The probability by the mean log odds of each item with the others of its cluster; NaN where there are none."""
    result = np.full(len(labels), np.nan)
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(members) > 1:
            among = log_odds[np.ix_(members, members)].astype(np.float64)
            np.fill_diagonal(among, 0)
            result[members] = sigmoid(among.sum(axis=1) / (len(members) - 1))
    return result
