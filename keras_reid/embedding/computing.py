"""Embeddings of image files."""

import numpy as np

from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress


def embed_paths(model, paths, batch_size=64, flip=False):
    """Raw embeddings of image files, in the order of the paths, with progress.

    Args:
        model: a `ReIDModel`.
        paths: image files; a file that cannot be read raises, naming it. See `keras_reid.data.checking`.
        batch_size: images in a batch.
        flip: average each embedding with that of the mirrored image (before any normalisation).

    Returns:
        `(n, dim)` float32, not normalised: `l2_normalize` does that.

    Raises:
        UserError: no path, or a batch size below 1.

    Example:
        >>> embeddings = embed_paths(model, ["a.jpg", "b.jpg"])  # doctest: +SKIP
    """
    paths = list(paths)
    if not paths:
        raise UserError("there is no image to embed. Pass at least one path.")
    if batch_size < 1:
        raise UserError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    embeddings, done = None, 0
    with progress("embedding", total=len(paths)) as advance:
        for part in embedding_batches(model, paths, batch_size, flip):
            if embeddings is None:
                embeddings = np.empty((len(paths), part.shape[1]), np.float32)
            embeddings[done : done + len(part)] = part
            done += len(part)
            advance(len(part))
    return embeddings


def embedding_batches(model, paths, batch_size=64, flip=False):
    """Yields the raw embeddings of image files batch by batch, `(batch, dim)` float32, in the order of the paths.

    Memory does not grow with the number of images. See `embed_paths` for the arguments.

    Raises:
        tf.errors.OpError: a file cannot be read; it is none of those whose embeddings were yielded before.
    """
    from keras_reid.data.pipeline import test_batches

    for images in test_batches(paths, model.image_size, batch_size):
        part = np.asarray(model.predict_on_batch(images), np.float32)
        if flip:
            part = (part + np.asarray(model.predict_on_batch(images[:, :, ::-1]), np.float32)) / 2
        yield part


def check_finite(paths, embeddings):
    """A `UserError` that names the first image whose embedding holds NaN or infinity, if there is one.

    Args:
        paths: image file of each row.
        embeddings: `(n, dim)`.
    """
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise UserError(
            f"the model's embedding of {paths[bad.argmax()]} holds NaN or infinity, as do {bad.sum()} of {len(bad)} in "
            "all. Did the training diverge? Use an earlier checkpoint, or a lower learning rate."
        )


def l2_normalize(embeddings):
    """`x / max(|x|, 1e-12)` for each row, in float32.

    Args:
        embeddings: `(n, dim)`.

    Returns:
        `(n, dim)` float32 of unit length; a row of zeros stays zero.

    Example:
        >>> import numpy as np
        >>> l2_normalize(np.array([[3.0, 4.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    embeddings = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.maximum(norms, np.float32(1e-12))
