"""What a ranked list shows: a query and its nearest gallery images, right and wrong."""

import dataclasses

import numpy as np

from keras_reid.errors import UserError
from keras_reid.evaluation import Features, nearest


@dataclasses.dataclass(frozen=True)
class RankedImage:
    """One gallery image in a ranked list.

    Args:
        path: the image file.
        right: whether it shows the query's identity.
        distance: from the query, in the metric of the list.
        camera: number of the camera, or None.
    """

    path: str
    right: bool
    distance: float
    camera: int | None


@dataclasses.dataclass(frozen=True)
class RankedList:
    """A query with its nearest gallery images, nearest first, junk left out.

    Args:
        path: the query's image file.
        camera: number of the query's camera, or None.
        average_precision: of the query, as a fraction.
        metric: `"cosine"` or `"euclidean"`.
        images: `RankedImage`s.
    """

    path: str
    camera: int | None
    average_precision: float
    metric: str
    images: tuple[RankedImage, ...]


def ranked_lists(
    query_paths,
    gallery_paths,
    query,
    gallery,
    result,
    num=6,
    top=10,
    metric="cosine",
    protocol="cross_camera",
    queries=None,
):
    """Ranked lists of a few queries, from the best to the worst by average precision.

    Args:
        query_paths: image file of each query.
        gallery_paths: image file of each gallery item.
        query: `Features` of the queries.
        gallery: `Features` of the gallery.
        result: the `RetrievalResult` of the two.
        num: number of queries, evenly spaced between the best and the worst.
        top: gallery images for each.
        metric: as in `evaluate`.
        protocol: as in `evaluate`.
        queries: positions of the queries to show instead, in this order; each must have a match.

    Returns:
        list of `RankedList`.

    Raises:
        UserError: the paths do not fit the features, or a query has no match.

    Example:
        >>> lists = ranked_lists(query_paths, gallery_paths, query, gallery, result)  # doctest: +SKIP
        >>> draw_ranked_lists(lists, "ranked_lists.png")  # doctest: +SKIP
    """
    for name, paths, features in (("query", query_paths, query), ("gallery", gallery_paths, gallery)):
        if len(paths) != len(features):
            raise UserError(
                f"`{name}_paths` must name one file for each row of `{name}`. "
                f"Received: {len(paths)} paths and {len(features)} rows."
            )
    average_precision = np.full(len(query), np.nan)
    average_precision[result.valid_queries] = result.average_precision
    chosen = _spread(average_precision, num) if queries is None else np.asarray(queries, int)
    unmatched = chosen[np.isnan(average_precision[chosen])]
    if len(unmatched):
        raise UserError(
            f"query {unmatched[0]} has no match in the gallery, so that its list has no precision."
        )
    subset = Features(
        query.embeddings[chosen],
        query.identities[chosen],
        None if query.cameras is None else query.cameras[chosen],
    )
    indices, distances = nearest(subset, gallery, top, metric, protocol)

    def image(row, index, distance):
        return RankedImage(
            path=str(gallery_paths[index]),
            right=bool(gallery.identities[index] == subset.identities[row]),
            distance=float(distance),
            camera=_camera(gallery, index),
        )

    return [
        RankedList(
            path=str(query_paths[position]),
            camera=_camera(query, position),
            average_precision=float(average_precision[position]),
            metric=metric,
            images=tuple(
                image(row, index, distance)
                for index, distance in zip(indices[row], distances[row], strict=True)
                if index >= 0
            ),
        )
        for row, position in enumerate(chosen)
    ]


def describe_distance(metric, distance):
    """What stands under an image: the cosine similarity, or the Euclidean distance."""
    return f"{1 - distance:.2f}" if metric == "cosine" else f"{distance:.3g}"


def _spread(average_precision, num):
    best_first = np.argsort(-average_precision, kind="stable")  # NaN, a query without a match, comes last
    valid = best_first[: int(np.isfinite(average_precision).sum())]
    places = np.linspace(0, len(valid) - 1, min(num, len(valid)))
    return valid[np.round(places).astype(int)]


def _camera(features, index):
    camera = -1 if features.cameras is None else int(features.cameras[index])
    return None if camera < 0 else camera
