"""DSR on a data set, with the candidates of the original."""

from keras_reid.data.dataset import LEAVE_ONE_OUT
from keras_reid.evaluation.dsr.distance import dsr_distance
from keras_reid.evaluation.dsr.feature_maps import dsr_features
from keras_reid.evaluation.dsr.share import choose_dsr_lambda
from keras_reid.evaluation.retrieval_metrics import evaluate
from keras_reid.utils.errors import UserError

# The nearest by cosine, fewer where the gallery holds fewer.
CANDIDATES = 100


def evaluate_dsr(model, dataset, lambda_value, batch_size=64):
    """Evaluates DSR with 100 candidates on a data set, under its protocol.

    Args:
        model: a `ReIDModel` whose head gives maps, or whose backbone gives one feature map.
        dataset: a `keras_reid.data.ReIDDataset` with a test part.
        lambda_value: share of DSR, 0…1.
        batch_size: images in a batch.

    Returns:
        `RetrievalResult`.

    Raises:
        UserError: as `dsr_features` and `evaluate`; the queries are the gallery ("leave_one_out").

    Example:
        >>> evaluate_dsr(model, PartialREID().read("datasets"), 0.6).rank1  # doctest: +SKIP
        0.8
    """
    query, gallery, distances = _compared(model, dataset, lambda_value, batch_size)
    return evaluate(query, gallery, protocol=dataset.protocol, distances=distances)


def dsr_lambda_for(model, dataset, batch_size=64):
    """The share of DSR that is best for a model on validation data.

    Args:
        model: as for `evaluate_dsr`.
        dataset: a `keras_reid.data.ReIDDataset` with a test part that holds none of the images to be tested on, nor
            identities of the training, and whose queries are as partial as those of the test.
        batch_size: images in a batch.

    Returns:
        float, 0…1; see `choose_dsr_lambda`.

    Example:
        >>> dsr_lambda_for(model, PartialQueries(Market1501()).read("datasets"))  # doctest: +SKIP
        0.7
    """
    query, gallery, distances = _compared(model, dataset, 1.0, batch_size)
    return choose_dsr_lambda(distances, query, gallery, protocol=dataset.protocol)


def _compared(model, dataset, lambda_value, batch_size):
    if dataset.protocol == LEAVE_ONE_OUT:
        raise UserError(
            "the metric dsr needs a gallery apart from the queries, and under the protocol 'leave_one_out' of data "
            f"set {dataset.name!r} each image would be its own nearest"
        )
    query, gallery = dsr_features(model, dataset, batch_size)
    return query, gallery, dsr_distance(query, gallery, lambda_value, candidates=CANDIDATES)
