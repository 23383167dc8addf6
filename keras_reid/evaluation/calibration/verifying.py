"""Is it the same one or not?"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_reid.evaluation.calibration.calibration import Calibration, Verdict
from keras_reid.evaluation.calibration.domain import appearance
from keras_reid.evaluation.distances import Distances
from keras_reid.evaluation.features import Features
from keras_reid.utils.errors import UserError


def verify(
    model: Any, a: Any, b: Any, prior: float | None = None, cameras: Sequence[Any] | None = None
) -> Verdict:
    """Says whether two images show the same identity, with a calibrated probability.

    Args:
        model: a `ReIDModel` that was calibrated with `python -m keras_reid.calibrate`.
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
    embeddings, looks = zip(*(_embedding(model, image, calibration.flip) for image in (a, b)), strict=True)
    first, second = (Features(embedding[None], [0], None) for embedding in embeddings)
    distance = Distances(first, second, calibration.metric).table([0], [0])[0, 0]
    outside = [
        name
        for name, look in zip(("the first image", "the second image"), looks, strict=True)
        if look is not None and calibration.outside(look)[0]
    ]
    return calibration.verdict(distance, prior, cameras, outside)


def _embedding(model, image, flip):
    """`(dim,)` raw embedding of a file or of pixels and its `(1, 96)` appearance; an embedding itself has none."""
    if isinstance(image, (str, os.PathLike)):
        from keras_reid.data.decoding import read_image
        from keras_reid.data.unreadable import check_images

        check_images([image])
        return _embed_pixels(model, read_image(str(image)), flip)
    array = np.asarray(image)
    if array.ndim == 1 and array.size:
        return array, None
    if array.ndim == 3 and array.shape[-1] == 3 and array.size and array.dtype == np.uint8:
        return _embed_pixels(model, array, flip)
    raise UserError(
        "an image must be a file, a uint8 array of shape (height, width, 3) or an embedding of shape (dim,). "
        f"Received: {array.dtype} of shape {array.shape}."
    )


def _embed_pixels(model, pixels, flip):
    import tensorflow as tf

    from keras_reid.data.resizing import resize_image

    images = resize_image(tf.convert_to_tensor(pixels), model.image_size)[None]
    views = [images, images[:, :, ::-1]] if flip else [images]
    embedding = np.mean([np.asarray(model.predict_on_batch(view), np.float32)[0] for view in views], axis=0)
    return embedding, appearance(np.asarray(images))
