"""Every image once an epoch, in random order."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers.groups import check_positive_integers


@dataclasses.dataclass(frozen=True)
class ShuffleSampler:
    """Batches of a random permutation of all images: each at most once an epoch, those that fill no batch
    are left out.

    An epoch has `images // batch_size` batches, at least one; fewer images than `batch_size` are repeated to
    fill it.

    Args:
        batch_size: images a batch, at least 1.

    Raises:
        ValueError: if `batch_size` is not a positive integer.

    Example:
        >>> ShuffleSampler(batch_size=2)([0, 0, 1, 1, 2], None, seed=0, epoch=0).shape
        (2, 2)

    Source: FastReID's TrainingSampler, with each epoch a function of (seed, epoch) alone.
    """

    batch_size: int = 64

    def __post_init__(self):
        check_positive_integers(self, "batch_size")

    def __call__(
        self, identities: NDArray[Any], cameras: NDArray[Any] | None, *, seed: int, epoch: int
    ) -> NDArray[np.int32]:
        """Draws the batches of one epoch.

        Args:
            identities: `(images,)`; only their number matters, and it must not be zero.
            cameras: ignored by this sampler.
            seed: non-negative integer.
            epoch: non-negative integer.

        Returns:
            int32 `(steps, batch_size)`: places in the training part.
        """
        images, generator = len(identities), np.random.default_rng((seed, epoch))
        steps = max(1, images // self.batch_size)
        permutations = -(-steps * self.batch_size // images)
        order = np.concatenate([generator.permutation(images) for _ in range(permutations)])
        return order[: steps * self.batch_size].reshape(steps, self.batch_size).astype(np.int32)
