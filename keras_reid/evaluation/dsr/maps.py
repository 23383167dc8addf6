"""Embeddings and feature maps of images."""

import tempfile

import numpy as np

from keras_reid.errors import UserError
from keras_reid.evaluation.embedding import check_finite
from keras_reid.evaluation.features import Features
from keras_reid.progress import progress


def embed_with_maps(model, paths, batch_size=64):
    """Raw embeddings and the backbone's feature maps of image files, in the order of the paths.

    The maps are kept in a temporary file (1 MB for each image of 16 × 8 positions and 2048 channels), which goes
    when they are no longer used.

    Args:
        model: a `ReIDModel` whose backbone gives one feature map.
        paths: image files; a file that cannot be read raises, naming it.
        batch_size: images in a batch.

    Returns:
        `(embeddings, maps)`: `(n, dim)` and `(n, height, width, channels)` float32.

    Raises:
        UserError: no path, a batch size below 1, or a backbone without a feature map.

    Example:
        >>> embeddings, maps = embed_with_maps(model, ["a.jpg", "b.jpg"])  # doctest: +SKIP
    """
    import keras

    from keras_reid.data.pipeline import test_batches

    paths = [str(path) for path in paths]
    if not paths:
        raise UserError("there is no image to embed. Pass at least one path.")
    if batch_size < 1:
        raise UserError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    images = keras.Input((*model.image_size, 3))
    features = None
    if not getattr(model.backbone, "num_cameras", 0):
        features = model.backbone(model.normalize(images))
    shape = getattr(features, "shape", ())
    if len(shape) != 4:
        raise UserError(
            "DSR needs a model whose backbone gives one feature map (height, width, channels), such as a ResNet. "
            f"Received: {model.backbone.name!r}."
        )
    both = keras.Model(images, [model.head(model.pooling(features))["embedding"], features])
    with tempfile.TemporaryFile() as file:  # the map of the file lives on without its name
        maps = np.memmap(file, np.float32, "w+", shape=(len(paths), *shape[1:]))
    embeddings, done = [], 0
    with progress("embedding", total=len(paths)) as advance:
        for batch in test_batches(paths, model.image_size, batch_size):
            embedding, part = both.predict_on_batch(batch)
            embeddings.append(np.asarray(embedding, np.float32))
            maps[done : done + len(part)] = part
            done += len(part)
            advance(len(part))
    return np.concatenate(embeddings), maps


def dsr_features(model, dataset, batch_size=64):
    """`Features` of a data set's query and gallery with maps, for `dsr_distance`.

    Every position has the weight 1 / positions, so that DSR is the mean of what is left, 0…1, and can stand beside
    a cosine distance. (Trained weights, which leave the background out, need a head for partial images.)

    Args:
        model: a `ReIDModel` whose backbone gives one feature map.
        dataset: a `keras_reid.data.ReIDDataset` with a test part.
        batch_size: images in a batch.

    Returns:
        `(query, gallery)`.

    Raises:
        UserError: the set has no test part, an image cannot be read, an embedding is not finite, or the backbone gives
            no feature map.

    Example:
        >>> query, gallery = dsr_features(model, dataset)  # doctest: +SKIP
    """
    query_labels, gallery_labels = dataset.test_labels()
    paths = [sample.path for sample in (*dataset.query, *dataset.gallery)]
    embeddings, maps = embed_with_maps(model, paths, batch_size)
    check_finite(paths, embeddings)
    count, positions = len(dataset.query), maps.shape[1] * maps.shape[2]
    weights = np.full((count, positions), 1 / positions, np.float32)
    return (
        Features(embeddings[:count], *query_labels, maps=maps[:count], weights=weights),
        Features(embeddings[count:], *gallery_labels, maps=maps[count:]),
    )
