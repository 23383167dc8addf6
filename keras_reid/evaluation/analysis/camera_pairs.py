"""How well each camera's queries find their matches in the images of each camera."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.retrieval_metrics import evaluate
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features


@dataclasses.dataclass(frozen=True, eq=False)
class CameraPairs:
    """Rank-1 and mAP for each pair of a query's camera and a gallery's.

    Args:
        query_cameras: `(a,)` numbers of the cameras, ascending.
        gallery_cameras: `(b,)` numbers of the cameras, ascending.
        rank1: `(a, b)` fractions; NaN if no query of the camera has a match in the other camera.
        mAP: `(a, b)` fractions; NaN as in `rank1`.
        queries: `(a, b)` queries with a match.
    """

    query_cameras: np.ndarray
    gallery_cameras: np.ndarray
    rank1: np.ndarray
    mAP: np.ndarray
    queries: np.ndarray

    def to_dict(self) -> list[dict[str, Any]]:
        """One row for each pair with a match, as plain numbers, for JSON."""
        return [
            {
                "query_camera": int(self.query_cameras[i]),
                "gallery_camera": int(self.gallery_cameras[j]),
                "rank1": float(self.rank1[i, j]),
                "mAP": float(self.mAP[i, j]),
                "queries": int(self.queries[i, j]),
            }
            for i, j in np.argwhere(self.queries).tolist()
        ]


def evaluate_camera_pairs(
    query: Features,
    gallery: Features,
    metric: str = "cosine",
    *,
    protocol: str = "cross_camera",
    memory: int | None = None,
) -> CameraPairs:
    """Evaluates each camera's queries against the gallery images of one camera at a time.

    Shows which views are hard to match. The gallery of a pair holds all images of its camera, of whatever identity.

    Time: that of one `evaluate`, as every pair of images is compared once.

    Args:
        query, gallery, metric, memory: as in `evaluate`.
        protocol: with `"cross_camera"` a camera's queries are not compared with its own images, otherwise they are.

    Returns:
        `CameraPairs`.

    Raises:
        UserError: as `evaluate`; cameras are not known.

    Example:
        >>> evaluate_camera_pairs(query, gallery).rank1[0, 1]  # doctest: +SKIP
        0.83
    """
    if query.cameras is None or gallery.cameras is None:
        raise UserError(
            "a table of camera pairs needs the cameras of query and gallery. Received: cameras=None."
        )
    if query is gallery and protocol == "all":
        raise UserError(
            'camera pairs under the protocol "all" need a gallery apart from the queries, or each image would find '
            'itself. Use protocol="cross_camera".'
        )
    GroundTruth(query, gallery, protocol)
    rows, columns = np.unique(query.cameras), np.unique(gallery.cameras)
    rank1, mean_precision = np.full((2, len(rows), len(columns)), np.nan)
    counts = np.zeros((len(rows), len(columns)), np.int64)
    for column, camera in enumerate(columns):
        part = gallery[gallery.cameras == camera]
        searched = np.flatnonzero(np.isin(query.identities, part.identities))
        if protocol == "cross_camera":
            searched = searched[query.cameras[searched] != camera]
        if not len(searched):
            continue
        some = query[searched]
        result = evaluate(some, part, metric, protocol=protocol, memory=memory)
        for row, own in enumerate(rows):
            mine = some.cameras[result.valid_queries] == own  # type: ignore[index]
            counts[row, column] = mine.sum()
            if mine.any():
                rank1[row, column] = (result.first_match[mine] == 1).mean()  # type: ignore[index]
                mean_precision[row, column] = result.average_precision[mine].mean()
    return CameraPairs(rows, columns, rank1, mean_precision, counts)
