"""P identities × K images."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers.groups import by_identity, check_groups, check_positive_integers


@dataclasses.dataclass(frozen=True)
class IdentitySampler:
    """Batches of P identities × K images each, for losses that compare the images of a batch.

    A pass over the data: the images of each identity are shuffled and cut into groups of K (what is left
    over waits for the next pass; an identity with fewer than K images gives one group of K drawn with
    replacement). Each batch takes one group of each of P different identities, drawn at random from those
    that have groups left. When fewer than P identities have any, the next pass begins. An epoch has `images
    // (P · K)` batches, at least one.

    Args:
        identities_per_batch: P, at least 1.
        images_per_identity: K, at least 1.

    Raises:
        ValueError: if P or K is not a positive integer.

    Example:
        >>> sampler = IdentitySampler(identities_per_batch=2, images_per_identity=2)
        >>> sampler([0, 0, 0, 1, 1, 2, 2, 2], None, seed=0, epoch=0).shape
        (2, 4)

    Source: FastReID's NaiveIdentitySampler, which differs in two ways: its passes run on across epochs, here
    an epoch depends on (seed, epoch) alone so that training can be resumed; and with too few identities it
    never returns.
    """

    identities_per_batch: int = 16
    images_per_identity: int = 4

    def __post_init__(self):
        check_positive_integers(self, "identities_per_batch", "images_per_identity")

    @property
    def batch_size(self) -> int:
        """P · K images."""
        return self.identities_per_batch * self.images_per_identity

    def __call__(
        self, identities: NDArray[Any], cameras: NDArray[Any] | None, *, seed: int, epoch: int
    ) -> NDArray[np.int32]:
        """Draws the batches of one epoch.

        Args:
            identities: `(images,)`, integer, the class of each training image.
            cameras: ignored by this sampler; `(images,)` or None.
            seed: non-negative integer.
            epoch: non-negative integer.

        Returns:
            int32 `(steps, P · K)`: places in the training part; the K images of an identity are neighbours.

        Raises:
            UserError: if there are fewer than P identities, or K > 1 and no identity has two images.
        """
        identities = np.asarray(identities)
        _, first, counts = by_identity(identities)
        check_groups(counts, self.identities_per_batch, self.images_per_identity)
        generator = np.random.default_rng((seed, epoch))
        steps = max(1, len(identities) // self.batch_size)
        batches = []
        while len(batches) < steps:
            batches += self._one_pass(identities, first, counts, generator, steps - len(batches))
        return np.array(batches, dtype=np.int32)

    def _one_pass(self, identities, first, counts, generator, steps):
        """At most `steps` batches, each `(P · K,)`."""
        wanted, size = self.identities_per_batch, self.images_per_identity
        images = np.lexsort((generator.random(len(identities)), identities))
        groups = np.maximum(counts // size, 1)
        short = counts < size
        redrawn = (generator.random((len(counts), size)) * counts[:, None]).astype(np.int64)
        taken, available, left = np.zeros_like(counts), np.arange(len(counts)), len(counts)
        batches = []
        while left >= wanted and len(batches) < steps:
            places = generator.choice(left, wanted, replace=False)
            chosen = available[places]
            within = taken[chosen, None] * size + np.arange(size)
            within = np.where(short[chosen, None], redrawn[chosen], within)
            batches.append(images[first[chosen, None] + within].ravel())
            taken[chosen] += 1
            # An identity without groups left gives its place to the last one, from the back so that none is
            # lost.
            for place in np.sort(places[taken[chosen] == groups[chosen]])[::-1]:
                left -= 1
                available[place] = available[left]
        return batches
