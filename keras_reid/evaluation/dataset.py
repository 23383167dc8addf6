"""A model on the test part of a data set."""

import dataclasses

from keras_reid.evaluation.embedding import embed_paths
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.result import RetrievalResult
from keras_reid.evaluation.retrieval import evaluate


@dataclasses.dataclass(frozen=True)
class DatasetEvaluation:
    """What `evaluate_dataset` returns: the metrics, and the features they come from."""

    result: RetrievalResult
    query: Features
    gallery: Features


def evaluate_dataset(model, dataset, metric="cosine", batch_size=128, flip=False):
    """Embeds the query and gallery images of a data set and evaluates the retrieval under its protocol.

    Args:
        model: a `ReIDModel`.
        dataset: a `keras_reid.data.ReIDDataset` with a test part.
        metric: `"cosine"` or `"euclidean"`.
        batch_size: images in a batch.
        flip: average the embeddings of each image and its mirror image.

    Returns:
        A `DatasetEvaluation`.

    Raises:
        UserError: if the set has no test part or an image cannot be read.

    Example:
        >>> evaluate_dataset(model, Market1501().read("datasets")).result.mAP  # doctest: +SKIP
        0.86
    """
    query_labels, gallery_labels = dataset.test_labels()
    paths = [sample.path for sample in (*dataset.query, *dataset.gallery)]
    embeddings = embed_paths(model, paths, batch_size=batch_size, flip=flip)
    count = len(dataset.query)
    query = Features(embeddings[:count], *query_labels)
    gallery = Features(embeddings[count:], *gallery_labels)
    return DatasetEvaluation(
        evaluate(query, gallery, metric=metric, protocol=dataset.protocol), query, gallery
    )
