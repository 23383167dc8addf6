"""A model on the test part of a data set: embed, post-process, rank."""

import dataclasses

from keras_reid.data.dataset import LEAVE_ONE_OUT
from keras_reid.evaluation.analysis import (
    CameraPairs,
    OpenSetResult,
    evaluate_camera_pairs,
    evaluate_open_set,
    evaluate_single_shot,
    remove_camera_bias,
    without_identities,
)
from keras_reid.evaluation.dataset_features import embed_datasets
from keras_reid.evaluation.dsr import CANDIDATES, dsr_distance, dsr_features
from keras_reid.evaluation.features import Features
from keras_reid.evaluation.rerank import k_reciprocal_rerank, query_expansion
from keras_reid.evaluation.retrieval_metrics import evaluate
from keras_reid.evaluation.retrieval_result import RepeatedResult, RetrievalResult
from keras_reid.evaluation.settings import EvaluationSettings
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class DatasetEvaluation:
    """What an `Evaluator` returns: the metrics, and the features they come from.

    Args:
        result: `RetrievalResult`, or `RepeatedResult` of several draws of one test.
        query, gallery: `Features` as they were embedded (and standardised by camera), of the first draw.
        camera_pairs: `CameraPairs` of the first draw, where the settings ask for them.
        open_set: `OpenSetResult` of the first draw, where the settings ask for it.
        recall: the K of the Recall@K that `to_dict` reports.
    """

    result: RetrievalResult | RepeatedResult
    query: Features
    gallery: Features
    camera_pairs: CameraPairs | None = None
    open_set: OpenSetResult | None = None
    recall: tuple[int, ...] = ()

    def to_dict(self):
        """All that was measured as plain numbers, for JSON."""
        summary = {**self.result.to_dict(), **self.result.recalls(self.recall)}
        for name in ("camera_pairs", "open_set"):
            if getattr(self, name) is not None:
                summary[name] = getattr(self, name).to_dict()
        return summary


class Evaluator:
    """Evaluates a model on data sets, always under the same settings.

    Args:
        model: a `ReIDModel`.
        settings: `EvaluationSettings`; None for the defaults.

    Raises:
        UserError: the metric is `"dsr"` and its share is not set.

    Example:
        >>> evaluator = Evaluator(model, EvaluationSettings(flip=True))  # doctest: +SKIP
        >>> evaluator.run(Market1501().read("datasets")).result.mAP  # doctest: +SKIP
        0.86
    """

    def __init__(self, model, settings=None):
        self.model, self.settings = model, EvaluationSettings() if settings is None else settings
        if self.settings.metric == "dsr" and self.settings.dsr_lambda is None:
            raise UserError(
                "the metric dsr needs its share in the sum with the cosine distance: pass `dsr_lambda`, for example "
                "that of `dsr_lambda_for`. Received: None."
            )

    def run(self, dataset, features=None):
        """Embeds the query and gallery images of a data set and measures the retrieval.

        Args:
            dataset: a `keras_reid.data.ReIDDataset` with a test part.
            features: what `self.features(dataset)` returned, which are then not embedded again.

        Returns:
            A `DatasetEvaluation`, whose `result` is a `RetrievalResult`, or with `single_shot` a `RepeatedResult`.

        Raises:
            UserError: the set has no test part, none for the protocol, or lacks what the settings need; an image cannot
                be read; as `evaluate`.
        """
        return self._run([dataset], lambda results: results[0], features and [features])

    def run_draws(self, datasets):
        """Evaluates several draws of one test and takes the mean: VehicleID's protocol. Each image is embedded once.

        Args:
            datasets: `ReIDDataset`s, such as `VehicleID("small").repetitions("datasets")`, or CUHK03's 20 classic
                splits for a model that was not trained on any of them.

        Returns:
            A `DatasetEvaluation` whose `result` is a `RepeatedResult`.

        Raises:
            UserError: there is no data set; as `run`.
        """
        datasets = list(datasets)
        if not datasets:
            raise UserError("`datasets` must hold at least one data set. Received: none.")
        return self._run(datasets, RepeatedResult)

    def features(self, dataset):
        """Embeds the query and gallery images of a data set, and ranks nothing.

        Args:
            dataset: as for `run`.

        Returns:
            `(query, gallery)`, the `Features` that `run` measures.

        Raises:
            UserError: as `run`.
        """
        return self._features(self._prepared([dataset]))[0]

    def _run(self, datasets, combine, pairs=None):
        settings, datasets = self.settings, self._prepared(datasets)
        pairs = pairs or self._features(datasets)
        result = combine(
            tuple(self._rank(*pair, one.protocol) for one, pair in zip(datasets, pairs, strict=True))
        )
        query, gallery = pairs[0]
        ways = {"metric": settings.metric, "protocol": datasets[0].protocol, "memory": settings.memory}
        camera_pairs = open_set = None
        if settings.per_camera:
            camera_pairs = evaluate_camera_pairs(query, gallery, **ways)
        if settings.open_set is not None:
            open_set = evaluate_open_set(query, without_identities(gallery, settings.open_set), **ways)
        return DatasetEvaluation(result, query, gallery, camera_pairs, open_set, settings.recall)

    def _prepared(self, datasets):
        """The data sets under the settings' protocol, checked before the long work for what the settings need."""
        settings = self.settings
        if settings.protocol:  # a data set checks that it can be evaluated under it
            datasets = [dataclasses.replace(one, protocol=settings.protocol) for one in datasets]
        dataset = datasets[0]
        for name, wanted in (
            ("a table of camera pairs", settings.per_camera),
            ("removing the bias of cameras", settings.remove_camera_bias),
        ):
            missing = [one for one in dict.fromkeys(dataset.query + dataset.gallery) if one.camera is None]
            if wanted and missing:
                raise UserError(
                    f"{name} needs the camera of every query and gallery image, but {len(missing)} of data set "
                    f"{dataset.name!r} have none, the first is {missing[0].path}; leave it out"
                )
        if settings.rerank and dataset.protocol == LEAVE_ONE_OUT:
            raise UserError(
                "re-ranking needs a gallery apart from the queries, and under the protocol 'leave_one_out' of data set "
                f"{dataset.name!r} each image would be its own nearest; leave it out"
            )
        return datasets

    def _features(self, datasets):
        """`(query, gallery)` of each data set."""
        settings = self.settings
        if settings.metric == "dsr":
            return [dsr_features(self.model, one, settings.batch_size) for one in datasets]
        pairs = embed_datasets(self.model, datasets, settings.batch_size, settings.flip)
        return [remove_camera_bias(*pair) for pair in pairs] if settings.remove_camera_bias else pairs

    def _rank(self, query, gallery, protocol):
        """The result of one query and gallery, after the steps between embedding and ranking."""
        settings = self.settings
        if settings.query_expansion:
            query = query_expansion(query, gallery, settings.query_expansion)
        if settings.single_shot:
            return evaluate_single_shot(
                query, gallery, settings.metric, protocol=protocol, repetitions=settings.single_shot
            )
        distances = None
        if settings.metric == "dsr":
            distances = dsr_distance(query, gallery, settings.dsr_lambda, candidates=CANDIDATES)
        elif settings.rerank:
            distances = k_reciprocal_rerank(query, gallery, metric=settings.metric)
        return evaluate(
            query,
            gallery,
            settings.metric,
            protocol=protocol,
            roc=settings.roc,
            memory=settings.memory,
            distances=distances,
        )


def evaluate_dataset(
    model, dataset, metric="cosine", batch_size=128, flip=False, *, protocol=None, roc=False, memory=None
):
    """Embeds the query and gallery images of a data set and evaluates the retrieval: `Evaluator.run` in one call.

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
        UserError: as `Evaluator.run`.

    Example:
        >>> evaluate_dataset(model, Market1501().read("datasets")).result.mAP  # doctest: +SKIP
        0.86
    """
    settings = EvaluationSettings(
        metric=metric, batch_size=batch_size, flip=flip, protocol=protocol, roc=roc, memory=memory
    )
    return Evaluator(model, settings).run(dataset)


def evaluate_repetitions(
    model, datasets, metric="cosine", batch_size=128, flip=False, *, protocol=None, roc=False, memory=None
):
    """Evaluates several draws of one test and takes the mean: `Evaluator.run_draws` in one call.

    Args:
        datasets: `ReIDDataset`s, such as `VehicleID("small").repetitions("datasets")`.
        model, metric, batch_size, flip, protocol, roc, memory: as in `evaluate_dataset`.

    Returns:
        A `DatasetEvaluation` whose `result` is a `RepeatedResult`.

    Example:
        >>> draws = VehicleID("small").repetitions("datasets")  # doctest: +SKIP
        >>> evaluate_repetitions(model, draws).result.rank1  # doctest: +SKIP
        0.82
    """
    settings = EvaluationSettings(
        metric=metric, batch_size=batch_size, flip=flip, protocol=protocol, roc=roc, memory=memory
    )
    return Evaluator(model, settings).run_draws(datasets)


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
    settings = EvaluationSettings(metric="dsr", dsr_lambda=lambda_value, batch_size=batch_size)
    return Evaluator(model, settings).run(dataset).result
