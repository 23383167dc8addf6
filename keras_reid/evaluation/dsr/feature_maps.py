"""Embeddings and feature maps of images."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.protocols import LEAVE_ONE_OUT
from keras_reid.embedding import check_finite
from keras_reid.evaluation.features import Features
from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import reserve, writing
from keras_reid.utils.progress import progress


def map_model(model: Any) -> Any:
    """A `keras.Model` that gives what `embed_with_maps` returns, for images.

    Raises:
        UserError: neither head nor backbone gives a map.
    """
    import keras

    images = keras.Input((*model.image_size, 3))
    features = None
    if not getattr(model.backbone, "num_cameras", 0):
        features = model.backbone(model.normalize(images))
    shape: Any = getattr(features, "shape", ())
    if len(shape) != 4:
        raise UserError(
            "DSR needs a model whose backbone gives one feature map (height, width, channels), such as a ResNet. "
            f"Received: {model.backbone.name!r}."
        )
    outputs = model.head(model.pooling(features))
    if "maps" not in outputs:
        positions = shape[1] * shape[2]
        outputs["maps"] = keras.ops.reshape(features, (-1, positions, shape[3]))
        outputs["weights"] = keras.ops.full_like(outputs["maps"][..., 0], 1 / positions, "float32")
    return keras.Model(images, [outputs[name] for name in ("embedding", "maps", "weights")])


def embed_with_maps(
    model: Any, paths: Iterable[str | os.PathLike[str]], batch_size: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Raw embeddings, local features and their weights of image files, in the order of the paths.

    The local features are those that the head gives as `maps`, with its `weights`, as `heads.PartialHead` does; with
    another head they are the backbone's feature map, and every position has the weight 1 / positions. They are kept in
    a temporary file (1 MB for each image of 16 × 8 positions and 2048 channels), which is deleted when they are no
    longer used.

    Args:
        model: a `ReIDModel` whose head gives maps, or whose backbone gives one feature map.
        paths: image files; a file that cannot be read raises, naming it.
        batch_size: images in a batch.

    Returns:
        `(embeddings, maps, weights)`: `(n, dim)`, `(n, positions, channels)` and `(n, positions)` float32. The weights
        of an image sum to 1.

    Raises:
        UserError: no path, a batch size below 1, or neither head nor backbone gives a map.

    Example:
        >>> embeddings, maps, weights = embed_with_maps(model, ["a.jpg", "b.jpg"])  # doctest: +SKIP
    """
    from keras_reid.data.pipeline import test_batches

    paths = [str(path) for path in paths]
    if not paths:
        raise UserError("there is no image to embed. Pass at least one path.")
    if batch_size < 1:
        raise UserError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    wanted = map_model(model)
    with tempfile.TemporaryFile() as file:  # the map of the file lives on without its name
        shape = (len(paths), *wanted.outputs[1].shape[1:])
        with writing(Path(tempfile.gettempdir(), f"feature maps of {len(paths)} images")):
            reserve(file, 4 * math.prod(shape))
        maps = np.memmap(file, np.float32, "r+", shape=shape)
    embeddings, weights, done = [], [], 0
    with progress("embedding", total=len(paths)) as advance:
        for batch in test_batches(paths, model.image_size, batch_size):
            embedding, part, weight = wanted.predict_on_batch(batch)
            embeddings.append(np.asarray(embedding, np.float32))
            weights.append(weight)
            maps[done : done + len(part)] = part
            done += len(part)
            advance(len(part))
    return np.concatenate(embeddings), maps, np.concatenate(weights)


def dsr_features(model: Any, dataset: ReIDDataset, batch_size: int = 64) -> tuple[Features, Features]:
    """`Features` of a data set's query and gallery with maps, for `dsr_distance`.

    Maps and weights are those of `embed_with_maps`. The weights of a query sum to 1, so DSR is the mean of what the
    reconstruction leaves, 0…1, and can be added to a cosine distance.

    Args:
        model: a `ReIDModel` whose head gives maps, or whose backbone gives one feature map.
        dataset: a `keras_reid.data.ReIDDataset` with a test part.
        batch_size: images in a batch.

    Returns:
        `(query, gallery)`.

    Raises:
        UserError: the set has no test part, its queries are the gallery ("leave_one_out"), an image cannot be read, an
            embedding is not finite, or neither head nor backbone gives a map.

    Example:
        >>> query, gallery = dsr_features(model, dataset)  # doctest: +SKIP
    """
    if dataset.protocol == LEAVE_ONE_OUT:
        raise UserError(
            "the metric dsr needs a gallery apart from the queries, and under the protocol 'leave_one_out' of data set "
            f"{dataset.name!r} each image would be its own nearest; use another metric"
        )
    query_labels, gallery_labels = dataset.test_labels()
    paths = [sample.path for sample in (*dataset.query, *dataset.gallery)]
    embeddings, maps, weights = embed_with_maps(model, paths, batch_size)
    check_finite(paths, embeddings)
    count = len(dataset.query)
    return (
        Features(embeddings[:count], *query_labels, maps=maps[:count], weights=weights[:count]),
        Features(embeddings[count:], *gallery_labels, maps=maps[count:]),
    )
