"""The share of DSR, chosen on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.data.dataset import ReIDDataset
from keras_reid.evaluation.dsr.distance import CANDIDATES, dsr_distance
from keras_reid.evaluation.dsr.feature_maps import dsr_features
from keras_reid.evaluation.given_distances import evaluate_distances
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.dsr.distance import DSRDistances
    from keras_reid.evaluation.features import Features


def choose_dsr_lambda(
    distances: DSRDistances,
    query: Features,
    gallery: Features,
    values: Sequence[float] | None = None,
    protocol: str = "cross_camera",
) -> float:
    """The share of DSR with the highest (mAP + Rank-1) / 2 on validation images.

    A run chooses its best model by the same measure. Rank-1 alone, which the original takes, depends on a few queries.

    Time: one evaluation for each value; the reconstruction is not repeated.

    Args:
        distances: `dsr_distance` of the two.
        query: `Features` of validation images: identities held out of training and not part of the test set, which
            the original chose it on.
        gallery: `Features`.
        values: shares to try, in order of preference; None is 0, 0.05, … 1.
        protocol: as in `evaluate`.

    Returns:
        The best of the values, the first of equals.

    Raises:
        UserError: there is no value, or as `evaluate`.

    Example:
        >>> distances = dsr_distance(query, gallery, candidates=100)  # doctest: +SKIP
        >>> choose_dsr_lambda(distances, query, gallery)  # doctest: +SKIP
        0.35
    """
    values = [float(value) for value in (np.linspace(0, 1, 21) if values is None else values)]
    if not values:
        raise UserError("there is no share of DSR to try. Pass at least one value.")
    best, chosen = -1.0, values[0]
    truth = GroundTruth(query, gallery, protocol)
    for value in values:
        result = evaluate_distances(distances.with_lambda(value), truth)
        if (result.mAP + result.rank1) / 2 > best:
            best, chosen = (result.mAP + result.rank1) / 2, value
    return chosen


def dsr_lambda_for(model: Any, dataset: ReIDDataset, batch_size: int = 64) -> float:
    """The share of DSR that is best for a model on validation data.

    Args:
        model: a `ReIDModel` whose head gives maps, or whose backbone gives one feature map.
        dataset: a `keras_reid.data.ReIDDataset` with a test part. It must not share images with the test, nor
            identities with the training, and its queries must be as partial as those of the test.
        batch_size: images in a batch.

    Returns:
        float, 0…1; see `choose_dsr_lambda`.

    Example:
        >>> dsr_lambda_for(model, PartialQueries(Market1501()).read("datasets"))  # doctest: +SKIP
        0.7
    """
    query, gallery = dsr_features(model, dataset, batch_size)
    distances = dsr_distance(query, gallery, candidates=CANDIDATES)
    return choose_dsr_lambda(distances, query, gallery, protocol=dataset.protocol)  # type: ignore[arg-type]
