"""Batches of clusters."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers import draw_batches
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class ClusterSampler:
    """Another sampler on the images that are in a cluster, for a fixed number of steps an epoch.

    Outliers are never drawn. Where the other sampler's epoch is too short, further ones follow.

    Args:
        sampler: of `keras_reid.data.samplers`, or of the same form.
        labels: `(images,)`, integer: clusters, −1 for outliers.
        steps: batches an epoch.

    Raises:
        UserError: when it is called, if the other sampler has an objection.

    Example:
        >>> from keras_reid.data import IdentitySampler
        >>> sampler = ClusterSampler(IdentitySampler(2, 2), np.array([0, 0, -1, 1, 1]), steps=3)
        >>> sampler(sampler.labels, np.zeros(5, int), seed=0, epoch=0).shape
        (3, 4)
    """

    sampler: Any
    labels: np.ndarray
    steps: int

    def __call__(
        self, identities: NDArray[Any], cameras: NDArray[Any], *, seed: int, epoch: int
    ) -> NDArray[np.int32]:
        """As of `keras_reid.data.samplers`; the identities are not looked at."""
        places = np.flatnonzero(self.labels >= 0)
        clusters = self.labels[places]
        names = [str(number) for number in range(clusters.max(initial=-1) + 1)]
        drawn, count = [], 0
        try:
            while count < self.steps:
                # So many passes an epoch has at most, so that no two are the same.
                number = epoch * self.steps + len(drawn)
                drawn.append(
                    draw_batches(self.sampler, clusters, cameras[places], names, seed=seed, epoch=number)
                )
                count += len(drawn[-1])
        except UserError as error:
            raise UserError(
                f"the clusters make no batches: {error} (here an identity is a cluster). There are {len(names)} "
                f"clusters with {len(places)} of {len(self.labels)} images: "
                "a greater adaptation.eps, or a smaller adaptation.min_samples, makes more"
            ) from error
        return places[np.concatenate(drawn)[: self.steps]].astype(np.int32)
