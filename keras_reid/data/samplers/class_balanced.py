"""Every identity as often as any other, however many images it has."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers.groups import by_identity, check_positive_integers


@dataclasses.dataclass(frozen=True)
class ClassBalancedSampler:
    """Batches of images drawn with replacement, each with probability proportional to 1 / images of its identity.

    So every draw takes each identity with the same probability, and each image of that identity with the same
    probability: rare identities are seen as often as frequent ones. For classification losses; a batch holds the
    identities that chance brings.

    An epoch has `images // batch_size` batches, at least one.

    Args:
        batch_size: images a batch, at least 1.

    Raises:
        ValueError: if `batch_size` is not a positive integer.

    Example:
        >>> ClassBalancedSampler(batch_size=2)([0, 0, 0, 0, 1], None, seed=0, epoch=0).shape
        (2, 2)

    Source: FastReID's ImbalancedDatasetSampler, with each epoch a function of (seed, epoch) alone.
    """

    batch_size: int = 64

    def __post_init__(self):
        check_positive_integers(self, "batch_size")

    def __call__(
        self, identities: NDArray[Any], cameras: NDArray[Any] | None, *, seed: int, epoch: int
    ) -> NDArray[np.int32]:
        """Draws the batches of one epoch.

        Args:
            identities: `(images,)`, integer, the class of each training image.
            cameras: ignored by this sampler.
            seed: non-negative integer.
            epoch: non-negative integer.

        Returns:
            int32 `(steps, batch_size)`: places in the training part.
        """
        identities, generator = np.asarray(identities), np.random.default_rng((seed, epoch))
        _, first, counts = by_identity(identities)
        steps = max(1, len(identities) // self.batch_size)
        # An identity at random and one of its images at random: the weights above, without a table of them.
        drawn = generator.integers(len(counts), size=(steps, self.batch_size))
        images = np.argsort(identities, kind="stable")
        return images[first[drawn] + generator.integers(counts[drawn])].astype(np.int32)
