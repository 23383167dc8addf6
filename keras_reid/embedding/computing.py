"""Image files → embeddings, in memory or into a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.named_images import ImageFile
from keras_reid.embedding.pixel_batches import pixel_batches
from keras_reid.embedding.store import EmbeddingStore
from keras_reid.embedding.vectors import check_finite
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

_FEW = 256  # images up to which a `tf.data` pipeline costs more than it saves


def embed_paths(
    model: Any, paths: Iterable[str | os.PathLike[str]], batch_size: int = 64, flip: bool = False
) -> NDArray[np.float32]:
    """Raw embeddings of image files, in the order of the paths, with progress.

    Args:
        model: a `ReIDModel`.
        paths: image files; a file that cannot be read raises, naming it. See `keras_reid.data.unreadable`.
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
    embeddings: Any = None
    done = 0
    with progress("embedding", total=len(paths)) as advance:
        for part in embedding_batches(model, paths, batch_size, flip):
            if embeddings is None:
                embeddings = np.empty((len(paths), part.shape[1]), np.float32)
            embeddings[done : done + len(part)] = part
            done += len(part)
            advance(len(part))
    return embeddings


def embedding_batches(
    model: Any, paths: Sequence[str | os.PathLike[str]], batch_size: int = 64, flip: bool = False
) -> Iterator[NDArray[np.float32]]:
    """Yields the raw embeddings of image files batch by batch, `(batch, dim)` float32, in the order of the paths.

    Memory does not grow with the number of images. See `embed_paths` for the arguments.

    Raises:
        UnreadableImage, tf.errors.OpError: a file cannot be read. Embeddings that were yielded before are of readable
            files.
    """
    from keras_reid.data.pipeline import test_batches
    from keras_reid.embedding.tensorflow_reader import TensorFlowReader

    if len(paths) <= _FEW:
        reader = TensorFlowReader(tuple(model.image_size), few=True)
        batches = pixel_batches(reader, [os.fsdecode(path) for path in paths], batch_size)
    else:
        batches = test_batches(paths, model.image_size, batch_size)
    embed = _network(model)
    for images in batches:
        part = embed(images)
        if flip:
            part = (part + embed(images[:, :, ::-1])) / 2
        yield part


def _network(model: Any) -> Callable[[Any], Any]:
    """Pixels → raw embeddings: of a Keras model, or of whatever has its `predict_on_batch`, such as an artefact."""
    import keras

    from keras_reid.embedding.backends.keras_model import network

    if isinstance(model, keras.Model):
        return network(model)
    return lambda images: np.asarray(model.predict_on_batch(images), np.float32)


def embed_into(
    store: EmbeddingStore,
    model: Any,
    images: Sequence[ImageFile],
    batch_size: int = 64,
    flip: bool = False,
    root: str | os.PathLike[str] = "",
) -> dict[str, str]:
    """Embeds image files and appends the raw embeddings to a store, with progress.

    Each file is read once. When one cannot be read, all files from there on are checked, and the embedding goes on
    without the unreadable ones. Time: that of the model or of decoding, whichever is slower. Memory: about 1 kB for the
    path of each image; nothing else grows with their number.

    Args:
        store: an `EmbeddingStore`, entered.
        model: a `ReIDModel`.
        images: `ImageFile`s that were made before the files are read, so that a later change is noticed.
        batch_size: images.
        flip: average each embedding with that of the mirrored image.
        root: folder that the paths are relative to.

    Returns:
        dict: path of each image that was left out → why it cannot be read.

    Raises:
        UserError: an embedding holds NaN or infinity, or the disk is full.
    """
    import tensorflow as tf

    from keras_reid.data.unreadable import refused_images, unreadable_images

    def paths(images):
        return [os.path.join(root, image.path) for image in images]

    refused = refused_images(paths(images))
    reasons = {images[place].path: reason for place, reason in refused.items()}
    left = [image for place, image in enumerate(images) if place not in refused]
    with progress("embedding", total=len(left)) as advance:
        while left:
            done = 0
            try:
                for rows in embedding_batches(model, paths(left), batch_size, flip):
                    some = left[done : done + len(rows)]
                    check_finite(paths(some), rows)
                    store.append(some, rows)
                    done += len(some)
                    advance(len(some))
                left = []
            except (UnreadableImage, tf.errors.OpError):
                left = left[done:]
                bad = unreadable_images(paths(left))
                if not bad:  # the error is not about a file
                    raise
                reasons |= {left[place].path: reason for place, reason in bad.items()}
                left = [image for place, image in enumerate(left) if place not in bad]
                advance(len(bad))
    store.flush()
    return reasons
