"""Removes from embeddings what they owe to their camera."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.embedding import l2_normalize
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features

_FEWEST = 20  # images that a camera's mean needs to be more than chance


def remove_camera_bias(query: Features, gallery: Features) -> tuple[Features, Features]:
    """Query and gallery with the embeddings of each camera standardised by its own mean and deviation.

    `f_new = (f̂ − m_c) / σ_c`, with the unit vectors f̂ and, number by number, the mean m_c and the standard deviation
    σ_c over all images of camera c in query and gallery; over those of all cameras where c has fewer than 20 images.
    Images are then no longer alike because they come from one camera. Uses the cameras, not the identities; the result
    of an image depends on the other images. Most useful for cameras that the model was not trained on.

    Time: a few passes over the embeddings. Memory: two copies of them.

    Args:
        query: `Features` of n images, with cameras.
        gallery: `Features` of m images with the same `dim`, with cameras.

    Returns:
        `(query, gallery)`: `Features` with other embeddings, of different lengths.

    Raises:
        UserError: cameras are not known, or the dimensions differ.

    Example:
        >>> query, gallery = remove_camera_bias(query, gallery)  # doctest: +SKIP
        >>> evaluate(query, gallery).mAP  # doctest: +SKIP
        0.88

    Source: Song, Park and Lee, "Exploring the camera bias of person re-identification", ICLR 2025 (arXiv 2502.10195).
    """
    if query.cameras is None or gallery.cameras is None:
        raise UserError(
            "the bias of cameras cannot be removed if the cameras are not known. Received: cameras=None. "
            "Read the data set with its cameras, or leave this out."
        )
    if query.dim != gallery.dim:
        raise UserError(
            "query and gallery must come from the same model. "
            f"Received: embeddings of {query.dim} and of {gallery.dim} numbers."
        )
    vectors = standardize_by_camera(
        np.concatenate([query.embeddings, gallery.embeddings]),
        np.concatenate([query.cameras, gallery.cameras]),
    )
    n = len(query)
    return (
        dataclasses.replace(query, embeddings=vectors[:n]),
        dataclasses.replace(gallery, embeddings=vectors[n:]),
    )


def standardize_by_camera(embeddings: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """The `f_new` of `remove_camera_bias` for the images of one array.

    Args:
        embeddings: `(n, dim)` numbers, of any length.
        cameras: `(n,)` integers.

    Returns:
        `(n, dim)` float32.

    Example:
        >>> standardize_by_camera(np.eye(2), np.array([0, 0])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    vectors = l2_normalize(embeddings)
    everywhere = _statistics(vectors)
    order = np.argsort(cameras, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cameras[order])) + 1):
        of_camera = vectors[rows]
        mean, deviation = everywhere if len(rows) < _FEWEST else _statistics(of_camera)
        vectors[rows] = (of_camera - mean) / deviation
    return vectors


def _statistics(vectors):
    """Mean and standard deviation of each column, float32; 1 for a column without deviation."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    deviation = vectors.std(axis=0, dtype=np.float64)
    deviation[deviation < 1e-7] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)
