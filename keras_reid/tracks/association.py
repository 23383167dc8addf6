"""From the tracklets of several cameras to identities."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.evaluation.calibration.calibration import check_prior, logit, sigmoid
from keras_reid.tracks.clustering import LogOdds, agglomerate, check_count, log_odds_of
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.calibration.calibration import Calibration
    from keras_reid.tracks.records import Tracks

_CROPS = 16  # of a tracklet that are compared
_BLOCK = 2**22  # pairs of crops at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Association:
    """Which tracklets show the same one.

    Args:
        identity: for each camera `(t,)` int64: the identity of each tracklet, from 1, in the order of the tracklets.
        probability: for each camera `(t,)` float64: that a tracklet belongs to the others of its identity, by its mean
            log odds with them; NaN for the only one of an identity.
    """

    identity: tuple[NDArray[np.int64], ...]
    probability: tuple[NDArray[np.float64], ...]

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

    Average linkage by the calibrated log odds of `tracklet_log_odds`, under the constraints
    (`keras_reid.tracks.clustering.agglomerate`): two groups are joined as long as a tracklet of one and a tracklet of
    the other are the same more probably than `probability`.

    Time: that of `tracklet_log_odds` and `agglomerate`. Memory: 8 bytes for each pair of tracklets.

    Args:
        tracks: of one camera each, all by the calibrated model.
        calibration: of the model, for cosine distances.
        prior: share of same pairs, 0 … 1, among all pairs of tracklets; None for the calibration's.
        probability: 0 … 1. Default 0.5.
        cannot_link: `(k, 2)` pairs of tracklets, counted through all `tracks`, as of
            `keras_reid.tracks.constraints.impossible_pairs`.

    Raises:
        UserError: there are more than 20 000 tracklets, `probability` or `prior` is not between 0 and 1, or the
            calibration is not for cosine distances.

    Example:
        >>> cannot_link = impossible_pairs([door, hall])  # doctest: +SKIP
        >>> associate([door, hall], calibration, cannot_link=cannot_link).identity  # doctest: +SKIP
        (array([1, 2, 3]), array([2, 4]))
    """
    if not 0 < probability < 1:
        raise UserError(f"`probability` must lie between 0 and 1. Received: {probability}.")
    sizes = [len(one.tracklets.track) for one in tracks]
    check_count(sum(sizes))
    log_odds = tracklet_log_odds(tracks, log_odds_of(calibration, prior))
    labels = agglomerate(log_odds, cannot_link, stop=logit(probability))
    splits = np.cumsum(sizes)[:-1]
    identity = np.split(labels + 1, splits)
    return Association(tuple(identity), tuple(np.split(_belonging(log_odds, labels), splits)))


def tracklet_log_odds(tracks: Sequence[Tracks], log_odds: LogOdds) -> NDArray[np.float32]:
    """Calibrated log odds that two tracklets show the same one: the mean over all pairs of a crop of each.

    A calibration is made of pairs of single images. Means of many crops lie closer to each other, whoever they show, so
    their distance must not be put into it. The pairs of crops are pairs of single images. Their mean is the evidence of
    a single pair, however long the tracklets are: crops of one tracklet resemble each other too much to count as
    independent.

    Of each tracklet, the 16 best of the crops that are kept count. Time: 0.03 µs for each pair of crops. Memory: the
    result, 4 n² bytes, and 64 MB.

    Args:
        tracks: of one camera each.
        log_odds: function of cosine distances, from `keras_reid.tracks.clustering.log_odds_of`.

    Returns:
        `(n, n)` float32, symmetric, of all tracklets, counted through all `tracks`.
    """
    embeddings, owners, offset = [], [], 0
    for one in tracks:
        rows = best_crops(one)
        embeddings.append(one.crops.embedding[rows])
        owners.append(offset + one.crops.tracklet[rows])
        offset += len(one.tracklets.track)
    return mean_log_odds(np.concatenate(embeddings), np.concatenate(owners), offset, log_odds)


def best_crops(tracks: Tracks, most: int = _CROPS) -> NDArray[np.int64]:
    """The rows of the crops with the highest quality of each tracklet, in the order of the tracklets.

    Args:
        tracks: of a camera.
        most: crops of a tracklet.
    """
    crops = tracks.crops
    rows = np.flatnonzero(crops.kept & (crops.tracklet >= 0))
    rows = rows[np.lexsort((-crops.quality[rows], crops.tracklet[rows]))]
    starts = np.searchsorted(crops.tracklet[rows], crops.tracklet[rows])
    return rows[np.arange(len(rows)) - starts < most]


def mean_log_odds(
    embeddings: NDArray[np.float32], owners: NDArray[np.int64], count: int, log_odds: LogOdds
) -> NDArray[np.float32]:
    """The mean log odds of the pairs of crops of each two tracklets; see `tracklet_log_odds`.

    Args:
        embeddings: `(m, dim)` of crops, of unit length.
        owners: `(m,)` the tracklet of each, never falling, each of `count` at least once.
        count: how many tracklets there are.
        log_odds: function of cosine distances.

    Returns:
        `(count, count)` float32, symmetric.
    """
    starts = np.searchsorted(owners, np.arange(count + 1))
    sizes = np.diff(starts).astype(np.float32)
    result = np.empty((count, count), np.float32)
    first = 0
    while first < count:
        # As many tracklets as fit into a block, and at least one.
        fitting = np.searchsorted(starts, starts[first] + _BLOCK // len(owners), side="right") - 1
        stop = min(count, max(first + 1, int(fitting)))
        rows = slice(starts[first], starts[stop])
        pairs = log_odds(1 - embeddings[rows] @ embeddings[starts[first] :].T)
        sums = np.add.reduceat(pairs, starts[first:-1] - starts[first], axis=1)
        sums = np.add.reduceat(sums, starts[first:stop] - starts[first], axis=0)
        means = sums / (sizes[first:stop, None] * sizes[first:])
        result[first:stop, first:] = means
        result[first:, first:stop] = means.T
        # Sums need not be symmetric to the bit.
        square = result[first:stop, first:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        first = stop
    return result


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
