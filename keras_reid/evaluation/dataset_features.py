"""`Features` of the query and gallery of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_reid.data.dataset import LEAVE_ONE_OUT, ReIDDataset
from keras_reid.embedding import check_finite, embed_paths
from keras_reid.evaluation.features import Features


def embed_datasets(
    model: Any, datasets: Sequence[ReIDDataset], batch_size: int = 128, flip: bool = False
) -> list[tuple[Features, Features]]:
    """Query and gallery `Features` of each data set; an image that several hold is embedded once.

    Under the protocol "leave_one_out" both are the same object, with its images numbered.

    Args:
        model, batch_size, flip: as in `evaluate_dataset`.
        datasets: `ReIDDataset`s with a test part.

    Returns:
        list of `(query, gallery)`.

    Raises:
        UserError: an embedding is not finite; the message names the first image. As `embed_paths`.

    Example:
        >>> ((query, gallery),) = embed_datasets(model, [dataset])  # doctest: +SKIP
    """
    labels = [dataset.test_labels() for dataset in datasets]
    parts = [[[str(sample.path) for sample in part] for part in (one.query, one.gallery)] for one in datasets]
    paths = list(dict.fromkeys(path for both in parts for part in both for path in part))
    rows = {path: row for row, path in enumerate(paths)}
    embeddings = embed_paths(model, paths, batch_size=batch_size, flip=flip)
    check_finite(paths, embeddings)

    def features(part, part_labels, images=None):
        return Features(embeddings[[rows[path] for path in part]], *part_labels, images=images)

    pairs = []
    for dataset, both, both_labels in zip(datasets, parts, labels, strict=True):
        if dataset.protocol == LEAVE_ONE_OUT:
            same = features(both[0], both_labels[0], images=np.arange(len(both[0])))
            pairs.append((same, same))
        else:
            pairs.append(tuple(map(features, both, both_labels)))
    return pairs
