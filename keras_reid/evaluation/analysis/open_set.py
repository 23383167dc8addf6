"""Open-set metrics: is the query in the gallery at all, and if so, who is it?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.evaluation.exact import nearest, rank_matches
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features


@dataclasses.dataclass(frozen=True, eq=False)
class OpenSetResult:
    """How a threshold on the distance treats queries whose identity is in the gallery (targets) and the others.

    A query is *accepted* if its nearest gallery item (junk left out) is nearer than the threshold.

    - False target rate (FTR), also false alarm rate (FAR): the share of non-targets that are accepted.
    - True target rate (TTR): the share of targets that are accepted, whoever the nearest item is.
    - Detection and identification rate (DIR) at rank k: the share of targets with a match within rank k and nearer
      than the threshold.

    Args:
        nearest_target: `(targets,)` distance of each target's nearest item.
        first_match: `(targets,)` rank of its first match, from 1.
        match_distance: `(targets,)` distance of its first match.
        nearest_other: `(others,)` distance of each non-target's nearest item.
        left_out: number of queries that are neither: all items of their identity are junk.

    Source: TTR and FTR, as set verification: Zheng, Gong and Xiang, "Towards Open-World Person Re-Identification by
    One-Shot Group-Based Verification", TPAMI 38(3), 2016. DIR and FAR: Liao et al., "Open-set Person
    Re-identification", arXiv 1408.0872.
    """

    nearest_target: np.ndarray
    first_match: np.ndarray
    match_distance: np.ndarray
    nearest_other: np.ndarray
    left_out: int

    def threshold(self, false_rate: float) -> float:
        """The largest threshold that accepts at most this share of the non-targets."""
        # Of n sorted distances, those before the one in place ⌊rate·n⌋ are below it.
        place = int(false_rate * len(self.nearest_other) + 1e-9)
        return float(np.sort(self.nearest_other)[place]) if place < len(self.nearest_other) else float("inf")

    def false_target_rate(self, threshold: float) -> float:
        """Share of the non-targets that the threshold accepts."""
        return float((self.nearest_other < threshold).mean())

    def true_target_rate(self, false_rate: float) -> float:
        """Share of the targets accepted at a false target rate of at most `false_rate`."""
        return float((self.nearest_target < self.threshold(false_rate)).mean())

    def detection_and_identification_rate(self, false_rate: float, k: int = 1) -> float:
        """Share of the targets found within rank k at a false alarm rate of at most `false_rate`."""
        accepted = self.match_distance < self.threshold(false_rate)
        return float((accepted & (self.first_match <= k)).mean())

    def to_dict(self, false_rates: Sequence[float] = (0.01, 0.1)) -> dict[str, Any]:
        """The summary as plain numbers, for JSON."""
        return {
            "ttr_at_ftr": {f"{rate:g}": self.true_target_rate(rate) for rate in false_rates},
            "dir_at_far": {f"{rate:g}": self.detection_and_identification_rate(rate) for rate in false_rates},
            "num_targets": len(self.nearest_target),
            "num_others": len(self.nearest_other),
            "num_left_out": self.left_out,
        }


def evaluate_open_set(
    query: Features,
    gallery: Features,
    metric: str = "cosine",
    *,
    protocol: str = "cross_camera",
    memory: int | None = None,
) -> OpenSetResult:
    """Ranks the gallery for queries whose identity it holds and for queries whose identity it does not hold.

    Benchmarks have few or no queries of the second kind: take identities out of the gallery with `without_identities`
    first.

    Time: that of `evaluate` twice.

    Args:
        query, gallery, metric, protocol, memory: as in `evaluate`.

    Returns:
        An `OpenSetResult`.

    Raises:
        UserError: as `evaluate`; the gallery holds the identity of every query, or of no query.

    Example:
        >>> smaller = without_identities(gallery, share=0.5, seed=0)  # doctest: +SKIP
        >>> evaluate_open_set(query, smaller).detection_and_identification_rate(0.01)  # doctest: +SKIP
        0.71
    """
    truth = GroundTruth(query, gallery, protocol)
    _, closest = nearest(query, gallery, 1, metric, protocol, memory=memory)
    listed, ranks = rank_matches(query, gallery, metric, truth, memory)
    target = np.diff(listed.offsets) > 0
    other = ~np.isin(query.identities, gallery.identities)
    if not target.any() or not other.any():
        raise UserError(
            "an open-set test needs queries with a match in the gallery and queries whose identity it does not hold. "
            f"Received: {target.sum()} and {other.sum()}. Take identities out of the gallery with `without_identities`."
        )
    first = listed.offsets[:-1][target]
    return OpenSetResult(
        closest[target, 0],
        ranks[first],
        listed.values[first],
        closest[other, 0],
        int((~target & ~other).sum()),
    )


def without_identities(gallery: Features, share: float = 0.5, seed: int = 0) -> Features:
    """The gallery without some of its identities, drawn at random.

    Args:
        gallery: `Features`.
        share: of the identities that are taken out, 0 … 1.
        seed: of the draw.

    Returns:
        `Features`.

    Example:
        >>> gallery = Features(np.eye(4), identities=[0, 1, 2, 3], cameras=None)  # doctest: +SKIP
        >>> len(without_identities(gallery, share=0.5))  # doctest: +SKIP
        2
    """
    if not 0 < share < 1:
        raise UserError(f"`share` must lie between 0 and 1. Received: share={share}.")
    identities = np.unique(gallery.identities)
    out = np.random.default_rng(seed).permutation(identities)[: round(share * len(identities))]
    return gallery[~np.isin(gallery.identities, out)]
