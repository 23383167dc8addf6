"""What the samplers of K images an identity share: how images are grouped, checked and drawn, many at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError


def check_positive_integers(sampler: Any, *fields: str) -> None:
    """Refuses a field that is not a positive integer.

    Raises:
        ValueError: naming the field.
    """
    for field in fields:
        value = getattr(sampler, field)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"`{field}` must be a positive integer. Received: {field}={value!r}")


def by_identity(identities: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The groups of images of one identity.

    Args:
        identities: `(images,)`, integer.

    Returns:
        The identities that occur, ascending; where each begins among the images sorted by identity; how many images
        each has.
    """
    return np.unique(np.sort(identities), return_index=True, return_counts=True)


def check_groups(counts: NDArray[Any], identities_per_batch: int, images_per_identity: int) -> None:
    """Refuses images of which no useful batch of P identities × K images can be made.

    Args:
        counts: images of each identity.
        identities_per_batch: P.
        images_per_identity: K.

    Raises:
        UserError: if there are fewer than P identities, or K > 1 and no identity has two images.
    """
    if len(counts) < identities_per_batch:
        raise UserError(
            f"a batch needs {identities_per_batch} identities, but the training part has only "
            f"{len(counts)} ({counts.sum()} images); set identities_per_batch to {len(counts)} or less"
        )
    if images_per_identity > 1 and counts.max() == 1:
        raise UserError(
            f"a batch needs {images_per_identity} images of an identity, but each of the {len(counts)} identities "
            "has only one, so that there is nothing to compare; check how the identities are read, or set "
            "images_per_identity to 1 and leave the metric losses out"
        )


def draw_places(sizes: NDArray[Any], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draws `count` places of each group: all different if the group is large enough, else with replacement.

    Args:
        sizes: `(groups,)`, integer, at least 1 each.
        count: places of a group.
        generator: a NumPy random generator.

    Returns:
        int64 `(groups, count)`, row i from 0 … sizes[i] − 1; the order within a row is not random.

    Source: R. W. Floyd's algorithm (J. Bentley, "Programming pearls: a sample of brilliance", CACM 30(9), 1987), with
    a row for each group: draw t comes from the first n − count + t + 1 places; if it was there before, the last of
    those, which cannot have been, takes its place.
    """
    sizes = np.asarray(sizes, np.int64)
    enough = sizes >= count
    drawn = np.empty((len(sizes), count), np.int64)
    for number in range(count):
        last = np.where(enough, sizes - count + number, sizes - 1)
        place = generator.integers(last, endpoint=True)
        again = enough & (drawn[:, :number] == place[:, None]).any(axis=1)
        drawn[:, number] = np.where(again, last, place)
    return drawn
