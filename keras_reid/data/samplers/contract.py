"""What a sampler is called with, and what it must return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError


def draw_batches(
    sampler: Callable[..., NDArray[Any]],
    identities: NDArray[Any],
    cameras: NDArray[Any],
    names: Sequence[str],
    *,
    seed: int,
    epoch: int,
) -> NDArray[np.int32]:
    """The batches of one epoch, checked.

    Args:
        sampler: callable `(identities, cameras, *, seed, epoch)`. One that also has an argument `names` gets the names
            of the identities in class order.
        identities: `(images,)`, integer, the class of each training image.
        cameras: `(images,)`, integer, the camera of each.
        names: the identities as strings in class order. With the two above: what `ReIDDataset.train_labels` returns.
        seed: non-negative integer.
        epoch: non-negative integer.

    Returns:
        int32 `(steps, batch)`: places in the training part.

    Raises:
        UserError: if the sampler has an objection, or returns something else.

    Example:
        >>> samples = [Sample(f"{i}_{n}.jpg", identity=i) for i in "ab" for n in range(2)]
        >>> labels = ReIDDataset("mine", samples).train_labels()
        >>> draw_batches(IdentitySampler(2, 2), *labels, seed=0, epoch=0).shape
        (1, 4)
    """
    more = {"names": names} if _takes_names(sampler) else {}
    places = np.asarray(sampler(identities, cameras, seed=seed, epoch=epoch, **more))
    if places.ndim != 2 or not places.size or not np.issubdtype(places.dtype, np.integer):
        raise UserError(
            "a sampler must return the places of an epoch's images, integers (steps, batch). "
            f"Received: {places.dtype} {places.shape} from {sampler!r}"
        )
    if places.min() < 0 or places.max() >= len(identities):
        raise UserError(
            f"a sampler must return places in the training part, 0 … {len(identities) - 1}. "
            f"Received: {places.min()} … {places.max()} from {sampler!r}"
        )
    return places.astype(np.int32)


def _takes_names(sampler):
    try:
        return "names" in inspect.signature(sampler).parameters
    except ValueError:  # some functions written in C do not tell
        return False
