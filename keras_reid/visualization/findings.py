"""What a report says of one test set, as numbers: ROC, camera pairs, ranked lists, activation maps."""

import dataclasses

import numpy as np

from keras_reid.evaluation.analysis.camera_pairs import CameraPairs, evaluate_camera_pairs
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.retrieval_result import RetrievalResult
from keras_reid.evaluation.roc import RocCurve, RocHistogram
from keras_reid.utils.errors import UserError, reason
from keras_reid.utils.progress import progress
from keras_reid.visualization.activation import similarity_maps
from keras_reid.visualization.query_choice import choose_queries
from keras_reid.visualization.ranked_list import RankedList, ranked_lists


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """Results of a test set, with what is needed to draw them.

    Args:
        name: of the test set.
        metric: `"cosine"` or `"euclidean"`.
        result: `RetrievalResult`.
        counts: number of queries, gallery images, identities and so on: name → number.
        roc: `RocCurve` of all pairs, or None.
        pairs: `CameraPairs`, or None where cameras are unknown or there is only one.
        camera_names: number of a camera → its name.
        lists: `"best"`, `"middle"`, `"worst"` → `RankedList`s.
        maps: for each of these lists, in this order: `(1 + images, height, width)` activation maps of the query and of
            its gallery images; empty where there are none.
        remarks: `"roc"`, `"maps"` → why it is missing.
    """

    name: str
    metric: str
    result: RetrievalResult
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    roc: RocCurve | None = None
    pairs: CameraPairs | None = None
    camera_names: dict[int, str] = dataclasses.field(default_factory=dict)
    lists: dict[str, list[RankedList]] = dataclasses.field(default_factory=dict)
    maps: list[np.ndarray] = dataclasses.field(default_factory=list)
    remarks: dict[str, str] = dataclasses.field(default_factory=dict)


def collect_findings(model, dataset, evaluation, metric="cosine", most_pairs=None):
    """What a report says of an evaluated test set. The embeddings are those of the evaluation.

    Time: the camera pairs cost as much as a ranking; the ROC a float64 matrix product of all pairs and about 10 ns for
    each; the maps about a hundred images through the model. Memory: as much as a ranking.

    Args:
        model: the `ReIDModel`, for activation maps; None leaves them out.
        dataset: the `ReIDDataset`.
        evaluation: its `DatasetEvaluation`.
        metric: of that evaluation.
        most_pairs: leave out ROC and histogram if there are more pairs of a query and a gallery image.

    Returns:
        `Findings`.
    """
    query, gallery = evaluation.query, evaluation.gallery
    paths = [[sample.path for sample in part] for part in (dataset.query, dataset.gallery)]
    names = camera_names(dataset)
    remarks, lists = {}, {}
    for group, queries in choose_queries(evaluation.result, query.identities).items():
        if queries:
            lists[group] = ranked_lists(
                *paths, query, gallery, queries, metric=metric, protocol=dataset.protocol, camera_names=names
            )
    several = len(names) > 1 and -1 not in (*query.cameras, *gallery.cameras)
    return Findings(
        name=dataset.name,
        metric=metric,
        result=evaluation.result,
        counts=_counts(query, gallery, names),
        roc=_roc(query, gallery, metric, dataset.protocol, most_pairs, remarks),
        pairs=evaluate_camera_pairs(query, gallery, metric, protocol=dataset.protocol) if several else None,
        camera_names=names,
        lists=lists,
        maps=_maps(model, lists, dict(zip(paths[0], query.embeddings, strict=True)), remarks),
        remarks=remarks,
    )


def camera_names(dataset):
    """Number of a camera in the test part → its name."""
    names = {}
    for samples, (_, cameras) in zip((dataset.query, dataset.gallery), dataset.test_labels(), strict=True):
        for sample, number in zip(samples, cameras.tolist(), strict=True):
            if number >= 0:
                names[number] = str(sample.camera)
    return dict(sorted(names.items()))


def _counts(query, gallery, names):
    counts = {
        "queries": len(query),
        "gallery images": len(gallery),
        "identities": len(np.unique(query.identities)),
        "distractors": int((~np.isin(gallery.identities, query.identities)).sum()),
        "cameras": len(names),
    }
    return {name: count for name, count in counts.items() if count or name in ("queries", "gallery images")}


def _roc(query, gallery, metric, protocol, most_pairs, remarks):
    pairs = len(query) * len(gallery)
    if most_pairs is not None and pairs > most_pairs:
        remarks["roc"] = (
            f"The {pairs:,} pairs of a query and a gallery image are not compared at the end of a training. "
            "keras-reid report RUN adds ROC curve and histogram."
        )
        return None
    histogram, matches = RocHistogram(), GroundTruth(query, gallery, protocol)
    with progress("comparing pairs", total=len(query), unit="queries") as advance:
        for start, block in Distances(query, gallery, metric).blocks():
            rows = range(start, start + len(block))
            histogram.add(block, *zip(*(matches[row] for row in rows), strict=True))
            advance(len(block))
    try:
        return histogram.curve()
    except UserError as error:  # a gallery of one identity
        remarks["roc"] = str(error)
        return None


def _maps(model, lists, embeddings, remarks):
    if model is None:
        return []
    try:
        return [
            similarity_maps(model, [one.path, *(image.path for image in one.images)], embeddings[one.path])
            for group in lists.values()
            for one in group
        ]
    except UserError as error:
        remarks["maps"] = f"There are none for this model: {error}."
    except Exception as error:
        # A user's own layer may refuse what training never asks of it. Missing maps must not cost the report.
        remarks["maps"] = f"They failed with this model: {reason(error)}"
    return []
