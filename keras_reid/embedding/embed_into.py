"""Embeddings of many image files, which a kill does not lose."""

import os

from keras_reid.embedding.computing import check_finite, embedding_batches
from keras_reid.utils.progress import progress


def embed_into(store, model, images, batch_size=64, flip=False, root=""):
    """Embeds image files and appends the raw embeddings to a store, with progress.

    Each file is read once. Where one cannot be, all from there on are looked at before it goes on without those that
    cannot. Time: that of the model, or of decoding, whichever is slower. Memory does not grow with the number of
    images, but for about 1 kB each for its path.

    Args:
        store: an `EmbeddingStore`, entered.
        model: a `ReIDModel`.
        images: `ImageFile`s, looked at before they are read: what changes in between is then seen as changed.
        batch_size: images.
        flip: average each embedding with that of the mirrored image.
        root: folder that the paths are relative to.

    Returns:
        dict: path → why it cannot be read, of those that were left out.

    Raises:
        UserError: an embedding holds NaN or infinity, or the disk is full.
    """
    import tensorflow as tf

    from keras_reid.data.checking import refused_images, unreadable_images

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
            except tf.errors.OpError:
                left = left[done:]
                bad = unreadable_images(paths(left))
                if not bad:  # something else than a file
                    raise
                reasons |= {left[place].path: reason for place, reason in bad.items()}
                left = [image for place, image in enumerate(left) if place not in bad]
                advance(len(bad))
    store.flush()
    return reasons
