"""Is it the same one or not?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding import Embedder
from keras_reid.evaluation.calibration.calibration import Calibration
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.features import Features
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation.calibration.calibration import Verdict


def verify(
    model: Any,
    a: str | os.PathLike[str] | NDArray[Any],
    b: str | os.PathLike[str] | NDArray[Any],
    prior: float | None = None,
) -> Verdict:
    """Says whether two images show the same identity, with a calibrated probability.

    Args:
        model: a `ReIDModel` that was calibrated with `keras-reid calibrate`.
        a, b: each an image file; an image of any size as RGB uint8 array `(height, width, 3)`, such as a detector's
            crop; or an embedding `(dim,)`.
        prior: share of same pairs among the pairs that are asked about, 0 … 1; None for the calibration's, that of its
            test set. 0.5 is for pairs that are as often the same as not.

    Returns:
        A `Verdict`.

    Raises:
        UserError: the model has no calibration, an image cannot be read, an array is something else or not finite,
            the embeddings differ in length, or the prior is not between 0 and 1.

    Example:
        >>> verify(model, "door.jpg", "street.jpg", prior=0.5)  # doctest: +SKIP
        Verdict(verdict='same', probability=0.97, distance=0.21, threshold=0.28, prior=0.5, metric='cosine')
    """
    calibration = Calibration.from_metadata(model.metadata)
    first, second = (
        Features(_embedding(model, image, calibration.flip)[None], np.zeros(1, int), None) for image in (a, b)
    )
    distance = Distances(first, second, calibration.metric).table(np.array([0]), np.array([0]))[0, 0]
    return calibration.verdict(distance, prior)


def _embedding(model, image, flip):
    """`(dim,)` raw embedding of a file or of pixels; an embedding is returned as it is."""
    if not isinstance(image, (str, os.PathLike)):
        image = np.asarray(image)
        if image.ndim == 1 and image.size:
            return image
        if image.ndim != 3 or image.shape[-1] != 3 or not image.size or image.dtype != np.uint8:
            raise UserError(
                "an image must be a file, a uint8 array of shape (height, width, 3) or an embedding of shape (dim,). "
                f"Received: {image.dtype} of shape {image.shape}."
            )
    return Embedder(model, flip=flip, normalize=False)(image)[0]
