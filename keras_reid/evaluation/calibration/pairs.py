"""Counts the pairs for a calibration: all of them, and those among half of the identities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.roc import RocHistogram
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features
    from keras_reid.evaluation.ground_truth import GroundTruth
    from keras_reid.evaluation.roc import RocCurve

_LEAST = 4  # identities, two in each half: so each half has pairs of both kinds


def matched_identities(query: Features, gallery: Features, truth: GroundTruth) -> NDArray[Any]:
    """The identities with a same pair that counts, sorted.

    Raises:
        UserError: there are fewer than 4, too few to fit on one half and check on the other.
    """
    found = [bool(len(truth[index][0])) for index in range(len(query))]
    identities = np.unique(query.identities[np.array(found, bool)])
    if len(identities) >= _LEAST:
        return identities
    if not np.isin(query.identities, gallery.identities).any():
        remedy = "Query and gallery share no identity: are their identities numbered together, from the same names?"
    elif truth.cross_camera:
        remedy = (
            'Under the protocol "cross_camera" only pairs from two cameras count: use the protocol "all" where there '
            "is one camera only."
        )
    else:
        remedy = "Calibrate on a larger test set."
    raise UserError(
        f"a calibration needs same pairs of at least {_LEAST} identities, two to fit on and two to check. "
        f"Received: {len(identities)}. {remedy}"
    )


def halves(identities: NDArray[Any], matched: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Splits identities at random into two halves, and those with a match evenly among them.

    Args:
        identities: `(n,)`, each once.
        matched: `(m,)`, those with a match.
        seed: of the draw.

    Returns:
        two arrays.
    """
    rng = np.random.default_rng(seed)
    parts = matched, np.setdiff1d(identities, matched)
    shuffled = np.concatenate([rng.permutation(part) for part in parts])
    return shuffled[::2], shuffled[1::2]


def count_pairs(
    query: Features,
    gallery: Features,
    metric: str,
    truth: GroundTruth,
    groups: Sequence[NDArray[Any]],
    memory: int | None = None,
) -> list[RocCurve]:
    """Counts same and different pairs by distance, junk left out, among all identities of each group.

    Time: that of `Distances`, and about 10 ns for each pair in each of its groups. Memory: about `memory` in
    addition to the features.

    Args:
        query, gallery: `Features`.
        metric: `"cosine"` or `"euclidean"`.
        truth: their `GroundTruth`.
        groups: arrays of identities; a pair counts in every group that holds both of its identities.
        memory: bytes to use, None for 256 MiB a block.

    Returns:
        list of `RocCurve`s, one a group.
    """
    size = None if memory is None else max(1, memory // (16 * max(1, len(gallery))))
    counted = [_Group(query, gallery, identities) for identities in groups]
    distances = Distances(query, gallery, metric, size)
    with progress("comparing", total=len(query), unit="queries") as advance:
        for start, block in distances.blocks():
            lists = [truth[index] for index in range(start, start + len(block))]
            for group in counted:
                group.add(start, block, lists)
            advance(len(block))
    return [group.histogram.curve() for group in counted]


class _Group:
    def __init__(self, query, gallery, identities):
        self.queries = np.isin(query.identities, identities)
        items = np.isin(gallery.identities, identities)
        self.items = slice(None) if items.all() else np.flatnonzero(items)
        self.places = np.cumsum(items) - 1
        self.histogram = RocHistogram()

    def add(self, start, block, lists):
        rows = np.flatnonzero(self.queries[start : start + len(block)])
        if not len(rows):
            return
        # All gallery items of a query's identity are in its group.
        lists = [[self.places[positions] for positions in lists[row]] for row in rows]
        chosen = block if len(rows) == len(block) else block[rows]
        self.histogram.add(np.ascontiguousarray(chosen[:, self.items]), *zip(*lists, strict=True))
