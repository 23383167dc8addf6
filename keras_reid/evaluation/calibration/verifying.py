"""Is it the same one or not?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding import Embedder
from keras_reid.evaluation.calibration.calibration import Calibration
from keras_reid.evaluation.calibration.domain import appearance
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
    cameras: Sequence[Any] | None = None,
) -> Verdict:
    """Says whether two images show the same identity, with a calibrated probability.

    Args:
        model: a `ReIDModel` that was calibrated with `keras-reid calibrate`.
        a, b: each an image file; an image of any size as RGB uint8 array `(height, width, 3)`, such as a detector's
            crop; or an embedding `(dim,)`.
        prior: share of same pairs among the pairs that are asked about, 0 … 1; None for the calibration's, that of its
            test set. 0.5 is for pairs that are as often the same as not.
        cameras: names of the cameras of a and b, as in the data set of the calibration; None if unknown.

    Returns:
        A `Verdict`; `"unsure"`, with the reason, if an image looks unlike those of the calibration. An embedding has no
        looks that could be checked.

    Raises:
        UserError: the model has no calibration, an image cannot be read, an array is something else or not finite,
            the embeddings differ in length, the prior is not between 0 and 1, or there are not two cameras.

    Example:
        >>> verify(model, "door.jpg", "street.jpg", prior=0.5)  # doctest: +SKIP
        Verdict(verdict='same', probability=0.97, distance=0.21, threshold=0.28, prior=0.5, metric='cosine')
    """
    calibration = Calibration.from_metadata(model.metadata)
    embeddings, looks = zip(*(_embedding(model, image, calibration) for image in (a, b)), strict=True)
    first, second = (Features(embedding[None], np.zeros(1, int), None) for embedding in embeddings)
    distance = Distances(first, second, calibration.metric).table(np.array([0]), np.array([0]))[0, 0]
    outside = [
        name
        for name, look in zip(("the first image", "the second image"), looks, strict=True)
        if look is not None and calibration.outside(look)[0]
    ]
    return calibration.verdict(distance, prior, cameras, outside)


def _embedding(model, image, calibration):
    """`(dim,)` raw embedding of a file or of pixels, and its `(1, 192)` appearance if the calibration keeps a domain;
    an embedding itself has none.
    """
    if not isinstance(image, (str, os.PathLike)):
        image = np.asarray(image)
        if image.ndim == 1 and image.size:
            return image, None
        if image.ndim != 3 or image.shape[-1] != 3 or not image.size or image.dtype != np.uint8:
            raise UserError(
                "an image must be a file, a uint8 array of shape (height, width, 3) or an embedding of shape (dim,). "
                f"Received: {image.dtype} of shape {image.shape}."
            )
    embedding = Embedder(model, flip=calibration.flip, normalize=False)(image)[0]
    return embedding, None if calibration.domain is None else _appearance(image, model.image_size)


def _appearance(image, image_size):
    from keras_reid.data.decoding import read_image
    from keras_reid.data.resizing import resize_array

    pixels = image if isinstance(image, np.ndarray) else read_image(str(image)).numpy()
    return appearance(resize_array(pixels, image_size)[None])
