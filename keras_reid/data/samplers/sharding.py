"""Batches shared out among the replicas of a distributed training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError


def shard(batches: ArrayLike, replicas: int, images_per_identity: int = 1) -> NDArray[Any]:
    """The part of each batch that each replica gets, with all K images of an identity on one replica.

    Replica r gets the images r · n … (r + 1) · n − 1 of a batch, n = batch / replicas. So does `tf.distribute` cut a
    batch, on one machine and over several workers (there with the auto-shard policy AUTO or DATA; with OFF each worker
    would train on the same images): as the samplers keep the K images of an identity together, nothing has to be
    reordered for it. A metric loss that is computed on each replica then compares what it should.

    Args:
        batches: `(steps, batch)`, as samplers return it, or one batch `(batch,)` of anything.
        replicas: number of replicas, at least 1.
        images_per_identity: K.

    Returns:
        An array `(replicas, steps, batch / replicas)`, or `(replicas, batch / replicas)`.

    Raises:
        UserError: if the replicas cannot get the same number of images, or the images of an identity would be torn
            apart.

    Example:
        >>> shard(np.array([[0, 1, 2, 3], [4, 5, 6, 7]]), replicas=2, images_per_identity=2)[1]
        array([[2, 3],
               [6, 7]])

    Source: FastReID's `reorder_index`, which brings a batch into the order in which taking every r-th image gives these
    parts.
    """
    batches = np.asarray(batches)
    _check(batches.shape[-1], replicas, images_per_identity)
    return np.stack(np.split(batches, replicas, axis=-1))


def check_sharding(sampler: Any, replicas: int) -> None:
    """Refuses a sampler whose batches cannot be shared out among replicas, before training begins.

    Args:
        sampler: has `batch_size`, and `images_per_identity` if its batches hold several neighbouring images of an
            identity.
        replicas: number of replicas, as `tf.distribute.Strategy.num_replicas_in_sync`, at least 1.

    Raises:
        UserError: as `shard`; or if the sampler does not say the size of its batches.

    Example:
        >>> check_sharding(IdentitySampler(identities_per_batch=16, images_per_identity=4), replicas=8)
    """
    batch_size = getattr(sampler, "batch_size", None)
    if batch_size is None:
        raise UserError(
            "a sampler for several replicas must have the attribute batch_size, and images_per_identity if its batches "
            f"hold several neighbouring images of an identity. Received: {sampler!r}"
        )
    _check(batch_size, replicas, getattr(sampler, "images_per_identity", 1))


def _check(batch_size, replicas, images_per_identity):
    for name, value in (("replicas", replicas), ("images_per_identity", images_per_identity)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    groups, left = divmod(batch_size, images_per_identity)
    if left:
        raise UserError(
            f"a batch of {batch_size} images does not hold {images_per_identity} of each identity; make it a multiple"
        )
    if groups % replicas:
        what = "identities" if images_per_identity > 1 else "images"
        larger = -(-groups // replicas) * replicas
        smaller = larger - replicas
        raise UserError(
            f"a batch of {groups} {what} cannot be shared out evenly among {replicas} replicas; make it "
            f"{f'{smaller} or ' if smaller else ''}{larger} {what}"
            + (", so that the images of each stay on one replica" if images_per_identity > 1 else "")
        )
