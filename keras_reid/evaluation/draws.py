"""What the evaluate command does to a test set: embed, post-process, rank; for each draw of it."""

import dataclasses

from keras_reid import evaluation
from keras_reid.data.dataset import LEAVE_ONE_OUT
from keras_reid.evaluation.dsr.dataset import CANDIDATES
from keras_reid.evaluation.evaluator import embed_datasets
from keras_reid.utils.errors import UserError


def evaluate_draws(model, draws, batch_size, flip, per_camera=False, open_set=None, **settings):
    """Evaluates a model on the draws of one test set.

    Args:
        model: a `ReIDModel`.
        draws: `ReIDDataset`s: the test set, or each draw of a test that is repeated.
        batch_size: images in a batch.
        flip: average the embeddings of each image and its mirror image.
        per_camera: also evaluate pairs of cameras, in the first draw.
        open_set: share of the gallery's identities to take out for an open-set test, in the first draw; None for none.
        settings: `metric`, `protocol` (None for the set's own), `roc`, `memory`, `single_shot` (draws, or None),
            `remove_camera_bias`, `query_expansion` (items, or None), `rerank`; `dsr_lambda` with the metric `"dsr"`.

    Returns:
        `(result, more)`: a `RetrievalResult`, or `RepeatedResult` of several draws; and what was asked for beside it,
        `{"camera_pairs": CameraPairs, "open_set": OpenSetResult}`.

    Raises:
        UserError: a data set cannot be evaluated under the protocol; as `embed_datasets` and `evaluate`.
    """
    metric, memory = settings["metric"], settings["memory"]
    protocol = settings.pop("protocol")
    if protocol:  # a data set checks that it can be evaluated under it, before the long work
        draws = [dataclasses.replace(draw, protocol=protocol) for draw in draws]
    _check_data(draws[0], per_camera, settings)
    if metric == "dsr":
        pairs = [evaluation.dsr_features(model, draw, batch_size) for draw in draws]
    else:
        pairs = embed_datasets(model, draws, batch_size, flip)
    if settings.pop("remove_camera_bias"):
        pairs = [evaluation.remove_camera_bias(*pair) for pair in pairs]
    protocol = draws[0].protocol
    results = tuple(_score(*pair, protocol=protocol, **settings) for pair in pairs)
    more = {}
    query, gallery = pairs[0]
    ways = {"metric": metric, "protocol": protocol, "memory": memory}
    if per_camera:
        more["camera_pairs"] = evaluation.evaluate_camera_pairs(query, gallery, **ways)
    if open_set is not None:
        smaller = evaluation.without_identities(gallery, open_set)
        more["open_set"] = evaluation.evaluate_open_set(query, smaller, **ways)
    return (results[0] if len(results) == 1 else evaluation.RepeatedResult(results)), more


def _check_data(dataset, per_camera, settings):
    """Refuses what the data set is not made for, before the long work."""
    for name, given in (
        ("a table of camera pairs", per_camera),
        ("removing the bias of cameras", settings["remove_camera_bias"]),
    ):
        missing = [one for one in dict.fromkeys(dataset.query + dataset.gallery) if one.camera is None]
        if given and missing:
            raise UserError(
                f"{name} needs the camera of every query and gallery image, but {len(missing)} of data set "
                f"{dataset.name!r} have none, the first is {missing[0].path}; leave it out"
            )
    if dataset.protocol != LEAVE_ONE_OUT:
        return
    for name, given in (("re-ranking", settings["rerank"]), ("the metric dsr", settings["metric"] == "dsr")):
        if given:
            raise UserError(
                f"{name} needs a gallery apart from the queries, and under the protocol 'leave_one_out' of data set "
                f"{dataset.name!r} each image would be its own nearest; leave it out"
            )


def _score(
    query, gallery, metric, protocol, roc, memory, single_shot, query_expansion, rerank, dsr_lambda=None
):
    """The result of one query and gallery, after what is done to them between embedding and ranking."""
    if query_expansion:
        query = evaluation.query_expansion(query, gallery, query_expansion)
    if single_shot:
        return evaluation.evaluate_single_shot(
            query, gallery, metric, protocol=protocol, repetitions=single_shot
        )
    distances = None
    if metric == "dsr":
        distances = evaluation.dsr_distance(query, gallery, dsr_lambda, candidates=CANDIDATES)
    elif rerank:
        distances = evaluation.k_reciprocal_rerank(query, gallery, metric=metric)
    return evaluation.evaluate(
        query,
        gallery,
        "cosine" if metric == "dsr" else metric,
        protocol=protocol,
        roc=roc,
        memory=memory,
        distances=distances,
    )
