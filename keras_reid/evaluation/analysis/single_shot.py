"""The single-gallery-shot protocol of CUHK03."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.retrieval_result import RepeatedResult, result_of_ranks
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features


def evaluate_single_shot(
    query: Features,
    gallery: Features,
    metric: str = "cosine",
    *,
    protocol: str = "cross_camera",
    repetitions: int = 10,
    seed: int = 0,
) -> RepeatedResult:
    """Evaluates with one gallery image of each identity, drawn several times, and takes the mean.

    Each draw puts the gallery images in a random order. A query is compared with the first image of each identity; of
    its own identity with the first that is not junk. So a query has one match, and `mAP` and `mINP` are the mean of
    1 / rank.

    Time: that of the distances to one image of each identity, `repetitions` times. Memory: 256 MiB of distances.

    Args:
        query, gallery, metric, protocol: as in `evaluate`.
        repetitions: number of draws.
        seed: of the first draw; the following draws use the next numbers.

    Returns:
        A `RepeatedResult`.

    Raises:
        UserError: as `evaluate`, and for fewer than one repetition.

    Example:
        >>> evaluate_single_shot(query, gallery).rank1  # doctest: +SKIP
        0.62

    Source: Li et al., "DeepReID: Deep Filter Pairing Neural Network for Person Re-identification", CVPR 2014. The
    original draws without a seed, for each query apart, and takes its mean average precision from the whole gallery.
    """
    if repetitions < 1:
        raise UserError(f"`repetitions` must be at least 1. Received: {repetitions}.")
    truth = GroundTruth(query, gallery, protocol)
    distances = Distances(query, gallery, metric)
    return RepeatedResult(
        tuple(
            _evaluate_draw(query, gallery, distances, truth, np.random.default_rng(seed + number))
            for number in range(repetitions)
        )
    )


def _evaluate_draw(query, gallery, distances, truth, generator):
    place = generator.permutation(len(gallery))
    order = np.argsort(place)
    _, first = np.unique(gallery.identities[order], return_index=True)
    others = np.sort(order[first])  # one item of each identity
    pairs = [
        (index, positives) for index, (positives, _) in enumerate(map(truth.__getitem__, range(len(query))))
    ]
    pairs = [(index, positives[place[positives].argmin()]) for index, positives in pairs if len(positives)]
    valid, own = np.array(pairs, np.intp).reshape(-1, 2).T
    values = distances.listed(valid, own)
    ranks = np.ones(len(valid), np.int64)
    drawn = Distances(query[valid], gallery[others], distances.metric) if len(valid) else None
    for start, block in drawn.blocks() if drawn else ():
        rows = slice(start, start + len(block))
        block[query.identities[valid[rows], None] == gallery.identities[others]] = np.inf
        value = values[rows, None]
        ranks[rows] += (block < value).sum(1) + ((block == value) & (others < own[rows, None])).sum(1)
    counts = np.bincount(valid, minlength=len(query))
    return result_of_ranks(np.append(0, np.cumsum(counts)), ranks, truth)
