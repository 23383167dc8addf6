"""Ranked lists: a query and its nearest gallery images, right and wrong."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.evaluation.exact import nearest, rank_matches
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features


@dataclasses.dataclass(frozen=True)
class RankedImage:
    """One gallery image in a ranked list.

    Args:
        path: the image file.
        right: whether it shows the query's identity.
        distance: from the query, in the metric of the list.
        camera: name or number of the camera, or None.
        rank: place in the list, from 1.
    """

    path: str
    right: bool
    distance: float
    camera: int | str | None
    rank: int


def camera_label(camera: int | str) -> str:
    """How a camera is called in pages and pictures.

    Example:
        >>> camera_label(3), camera_label("door"), camera_label("cam3")
        ('cam 3', 'cam door', 'cam3')
    """
    name = str(camera)
    return name if name.casefold().startswith("cam") else f"cam {name}"


@dataclasses.dataclass(frozen=True)
class RankedList:
    """A query with its nearest gallery images, nearest first, without junk.

    Args:
        path: the query's image file.
        camera: name or number of the query's camera, or None.
        average_precision: of the query, as a fraction; NaN where it has no match.
        metric: `"cosine"` or `"euclidean"`.
        images: `RankedImage`s.
        missed: `RankedImage`s of its matches that come after them, nearest first.
    """

    path: str
    camera: int | str | None
    average_precision: float
    metric: str
    images: tuple[RankedImage, ...]
    missed: tuple[RankedImage, ...] = ()


def ranked_lists(
    query_paths: Sequence[str | os.PathLike[str]],
    gallery_paths: Sequence[str | os.PathLike[str]],
    query: Features,
    gallery: Features,
    queries: Sequence[int],
    top: int = 10,
    metric: str = "cosine",
    protocol: str = "cross_camera",
    camera_names: Mapping[int, str] | None = None,
) -> list[RankedList]:
    """Ranked lists of a few queries.

    Args:
        query_paths: image file of each query.
        gallery_paths: image file of each gallery item.
        query: `Features` of the queries.
        gallery: `Features` of the gallery.
        queries: positions of the queries to show, in this order; `choose_queries` finds the best and the worst.
        top: gallery images for each.
        metric: as in `evaluate`.
        protocol: as in `evaluate`.
        camera_names: number of a camera → its name; None shows the numbers.

    Returns:
        list of `RankedList`.

    Raises:
        UserError: there are not as many paths as features.

    Example:
        >>> lists = ranked_lists(query_paths, gallery_paths, query, gallery, queries=[0, 7])  # doctest: +SKIP
        >>> draw_ranked_lists(lists, "ranked_lists.png")  # doctest: +SKIP
    """
    for name, paths, features in (("query", query_paths, query), ("gallery", gallery_paths, gallery)):
        if len(paths) != len(features):
            raise UserError(
                f"`{name}_paths` must name one file for each row of `{name}`. "
                f"Received: {len(paths)} paths and {len(features)} rows."
            )
    subset = query[np.asarray(queries, int)]
    indices, distances = nearest(subset, gallery, top, metric, protocol)
    listed, ranks = rank_matches(subset, gallery, metric, GroundTruth(subset, gallery, protocol))
    names = camera_names or {}

    def camera(features, index):
        number = -1 if features.cameras is None else int(features.cameras[index])
        return None if number < 0 else names.get(number, number)

    def images(indices, distances, ranks, identity):
        return tuple(
            RankedImage(
                path=str(gallery_paths[index]),
                right=bool(gallery.identities[index] == identity),
                distance=float(distance),
                camera=camera(gallery, index),
                rank=int(rank),
            )
            for index, distance, rank in zip(indices, distances, ranks, strict=False)
            if index >= 0
        )

    lists = []
    for row, position in enumerate(queries):
        identity = subset.identities[row]
        matches = slice(listed.offsets[row], listed.offsets[row + 1])
        places = ranks[matches]
        late = places > indices.shape[1]
        precisions = np.arange(1, len(places) + 1) / places
        lists.append(
            RankedList(
                path=str(query_paths[position]),
                camera=camera(query, position),
                average_precision=float(precisions.mean()) if len(places) else math.nan,
                metric=metric,
                images=images(indices[row], distances[row], itertools.count(1), identity),
                missed=images(
                    listed.positions[matches][late], listed.values[matches][late], places[late], identity
                ),
            )
        )
    return lists


def describe_distance(metric: str, distance: float) -> str:
    """The caption of an image: the cosine similarity, or the Euclidean distance."""
    return f"{1 - distance:.2f}" if metric == "cosine" else f"{distance:.3g}"
