"""A model on the test part of a data set."""

import dataclasses

import numpy as np

from keras_reid.data.dataset import LEAVE_ONE_OUT
from keras_reid.embedding import check_finite, embed_paths
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.repeated import RepeatedResult
from keras_reid.evaluation.retrieval_metrics import evaluate
from keras_reid.evaluation.retrieval_result import RetrievalResult
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class DatasetEvaluation:
    """What `evaluate_dataset` returns: the metrics, and the features they come from.

    `evaluate_repetitions` returns the mean of all draws, and the features of the first.
    """

    result: RetrievalResult | RepeatedResult
    query: Features
    gallery: Features


def evaluate_dataset(
    model, dataset, metric="cosine", batch_size=128, flip=False, *, protocol=None, roc=False, memory=None
):
    """Embeds the query and gallery images of a data set and evaluates the retrieval under its protocol.

    Args:
        model: a `ReIDModel`.
        dataset: a `keras_reid.data.ReIDDataset` with a test part.
        metric: `"cosine"` or `"euclidean"`.
        batch_size: images in a batch.
        flip: average the embeddings of each image and its mirror image.
        protocol: `"cross_camera"`, `"all"` or `"leave_one_out"`; None for the data set's own.
        roc: as in `evaluate`.
        memory: as in `evaluate`.

    Returns:
        A `DatasetEvaluation`.

    Raises:
        UserError: if the set has no test part or none for the protocol, or an image cannot be read; as `evaluate`.

    Example:
        >>> evaluate_dataset(model, Market1501().read("datasets")).result.mAP  # doctest: +SKIP
        0.86
    """
    dataset = _under(dataset, protocol)
    ((query, gallery),) = embed_datasets(model, [dataset], batch_size, flip)
    return DatasetEvaluation(
        evaluate(query, gallery, metric, protocol=dataset.protocol, roc=roc, memory=memory), query, gallery
    )


def evaluate_repetitions(
    model, datasets, metric="cosine", batch_size=128, flip=False, *, protocol=None, roc=False, memory=None
):
    """Evaluates the draws of one test and takes the mean: VehicleID's protocol. Each image is embedded once.

    Args:
        datasets: `ReIDDataset`s, such as `VehicleID("small").repetitions("datasets")`, or CUHK03's 20 classic splits
            for a model that was trained on none of them.
        model, metric, batch_size, flip, protocol, roc, memory: as in `evaluate_dataset`.

    Returns:
        A `DatasetEvaluation` whose `result` is a `RepeatedResult`.

    Example:
        >>> draws = VehicleID("small").repetitions("datasets")  # doctest: +SKIP
        >>> evaluate_repetitions(model, draws).result.rank1  # doctest: +SKIP
        0.82
    """
    datasets = [_under(dataset, protocol) for dataset in datasets]
    if not datasets:
        raise UserError("`datasets` must hold at least one data set. Received: none.")
    pairs = embed_datasets(model, datasets, batch_size, flip)
    results = tuple(
        evaluate(*pair, metric, protocol=dataset.protocol, roc=roc, memory=memory)
        for dataset, pair in zip(datasets, pairs, strict=True)
    )
    return DatasetEvaluation(RepeatedResult(results), *pairs[0])


def _under(dataset, protocol):
    """The data set with another protocol, if one is given: it checks that it can be evaluated under it."""
    return dataclasses.replace(dataset, protocol=protocol) if protocol else dataset


def embed_datasets(model, datasets, batch_size=128, flip=False):
    """Query and gallery `Features` of each data set; an image that several hold is embedded once.

    Under the protocol "leave_one_out" both are the same object, with its images numbered.

    Args:
        model, batch_size, flip: as in `evaluate_dataset`.
        datasets: `ReIDDataset`s with a test part.

    Returns:
        list of `(query, gallery)`.

    Raises:
        UserError: an embedding is not finite; the message names the first image. As `embed_paths`.
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
