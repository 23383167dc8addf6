"""P identities × K images, from several cameras where possible."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers.groups import by_identity, check_groups, check_positive_integers, draw_places


@dataclasses.dataclass(frozen=True)
class BalancedIdentitySampler:
    """Batches of P identities × K images each, where each identity has the same share and is seen by several
    cameras if it was.

    A pass over the identities: all are shuffled and cut into batches of P (those that fill no batch are left out).
    Each gives an anchor, one of its images at random, and K − 1 others:

    - from cameras other than the anchor's, if it has images of any;
    - if all its images are of one camera: from its images other than the anchor;
    - if it has a single image: this image again.

    The others are all different if there are at least K − 1 to choose from, else drawn with replacement. When no
    batch is left the next pass begins. An epoch has `images // (P · K)` batches, at least one: as many as that of
    `IdentitySampler`, whose identities take part in proportion to their images.

    Args:
        identities_per_batch: P, at least 1.
        images_per_identity: K, at least 1.

    Raises:
        ValueError: if P or K is not a positive integer.

    Example:
        >>> sampler = BalancedIdentitySampler(identities_per_batch=2, images_per_identity=2)
        >>> batches = sampler([0, 0, 0, 1, 1, 1], [0, 0, 5, 0, 0, 5], seed=0, epoch=0)
        >>> batches.shape
        (1, 4)

    Source: FastReID's BalancedIdentitySampler, which differs in three ways: it draws with replacement also where there
    are exactly K − 1 others; its passes run on across epochs, here an epoch depends on (seed, epoch) alone; and with
    too few identities it never returns.
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
            cameras: `(images,)`, integer, the camera of each; images of unknown camera, −1, count as of one camera.
                None: all unknown.
            seed: non-negative integer.
            epoch: non-negative integer.

        Returns:
            int32 `(steps, P · K)`: places in the training part; the K images of an identity are neighbours, the anchor
            first.

        Raises:
            UserError: if there are fewer than P identities, or K > 1 and no identity has two images.
        """
        identities = np.asarray(identities)
        cameras = np.zeros_like(identities) if cameras is None else np.asarray(cameras)
        wanted, size = self.identities_per_batch, self.images_per_identity
        _, first, counts = by_identity(identities)
        check_groups(counts, wanted, size)
        # Sorted, the images of an identity and those of them from one camera lie together.
        images = np.lexsort((cameras, identities))
        camera_begin, camera_end = _runs(identities[images], cameras[images])

        generator = np.random.default_rng((seed, epoch))
        steps = max(1, len(identities) // self.batch_size)
        chosen = self._identities(len(counts), steps, generator)
        first, counts = first[chosen], counts[chosen]
        anchor = first + generator.integers(counts)
        begin, end = camera_begin[anchor], camera_end[anchor]
        one_camera = end - begin == counts
        begin, end = np.where(one_camera, anchor, begin), np.where(one_camera, anchor + 1, end)
        others = counts - (end - begin)
        drawn = draw_places(np.maximum(others, 1), size - 1, generator) + first[:, None]
        # Steps over what is not to be drawn: the anchor's camera, or the anchor.
        drawn += np.where(drawn >= begin[:, None], (end - begin)[:, None], 0)
        drawn = np.where(others[:, None] == 0, anchor[:, None], drawn)
        return images[np.column_stack([anchor, drawn])].reshape(steps, -1).astype(np.int32)

    def _identities(self, classes, steps, generator):
        """`(steps · P,)`: the identities of the batches, one after another."""
        in_a_pass = classes // self.identities_per_batch
        passes = [
            generator.permutation(classes)[: in_a_pass * self.identities_per_batch]
            for _ in range(-(-steps // in_a_pass))
        ]
        return np.concatenate(passes)[: steps * self.identities_per_batch]


def _runs(identities, cameras):
    """For each image, where the run of its identity and camera begins and ends, given both sorted."""
    changes = (np.diff(identities) != 0) | (np.diff(cameras) != 0)
    borders = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(identities)]])
    lengths = np.diff(borders)
    return np.repeat(borders[:-1], lengths), np.repeat(borders[1:], lengths)
