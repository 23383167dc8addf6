"""What an epoch consists of: which images, in which order, and which share of them one worker loads."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers.contract import draw_batches
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class EpochPlan:
    """The batches of each epoch, as places of images in the training part.

    All workers share one plan: a step of it is a batch of all workers together, and each worker keeps its share of that
    batch. The plan of an epoch depends on the sampler, the seed and the epoch alone. So a resumed run has the same
    batches, and each image the same position in its epoch, by which its random augmentation is keyed.

    Args:
        draw: `draw(epoch)` gives the places of its images, int32 `(steps, batch_size)`.
        steps: batches an epoch.
        batch_size: images in a batch of all workers.
        share: slice of each batch that this worker trains on.
        loaded: slice of each batch that this worker loads: its share, or all of it.
        first_epoch: the epoch to begin with.
        first_step: the step of that epoch to begin with.

    Example:
        >>> from keras_reid.data import ShuffleSampler
        >>> labels = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), ["anna", "bert"]
        >>> plan = EpochPlan.of(labels, ShuffleSampler(batch_size=4), part=(1, 2))
        >>> plan.steps, plan.share, plan.loaded
        (1, slice(2, 4, None), slice(2, 4, None))
        >>> positions, places = plan.images(epoch=0)
        >>> positions
        array([2, 3])
    """

    draw: Callable[[int], np.ndarray]
    steps: int
    batch_size: int
    share: slice
    loaded: slice
    first_epoch: int = 0
    first_step: int = 0

    @classmethod
    def of(
        cls,
        labels: tuple[NDArray[Any], NDArray[Any], Sequence[str]],
        sampler: Callable[..., NDArray[np.int32]],
        seed: int = 0,
        first_epoch: int = 0,
        first_step: int = 0,
        part: tuple[int, int] = (0, 1),
        whole_batches: bool = False,
    ) -> EpochPlan:
        """The plan of a run.

        Args:
            labels: `(identities, cameras, names)`, what `ReIDDataset.train_labels` returns.
            sampler: as of `keras_reid.data.samplers`.
            seed: non-negative integer.
            first_epoch: the epoch to begin with.
            first_step: the step of that epoch to begin with.
            part: `(index, count)`: this worker's share is the `index`-th of `count` equal parts of each batch.
            whole_batches: whether it must load the other shares too.

        Raises:
            UserError: if the sampler has an objection, a batch cannot be divided, or the epoch has no such step.
        """

        @functools.lru_cache(maxsize=1)  # the first epoch is drawn here for its shape, and used later
        def draw(epoch):
            return draw_batches(sampler, *labels, seed=seed, epoch=epoch)

        steps, batch_size = draw(first_epoch).shape
        index, count = part
        size, left = divmod(batch_size, count)
        if left:
            raise UserError(
                f"a batch of {batch_size} images has no {count} equal parts: change the size of the batch"
            )
        if not 0 <= first_step < steps:
            raise UserError(
                f"`first_step` must be 0 … {steps - 1}, a step of the epoch; after the last one, set first_epoch. "
                f"Received: {first_step}"
            )
        share = slice(index * size, (index + 1) * size)
        loaded = slice(0, batch_size) if whole_batches else share
        return cls(draw, steps, batch_size, share, loaded, first_epoch, first_step)

    @property
    def share_size(self) -> int:
        """Images of a batch that this worker trains on."""
        return self.share.stop - self.share.start

    @property
    def loaded_size(self) -> int:
        """Images of a batch that this worker loads."""
        return self.loaded.stop - self.loaded.start

    @property
    def images_done(self) -> int:
        """Images of the first epoch that this worker need not load, because their steps are done."""
        return self.first_step * self.loaded_size

    def images(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The images of an epoch that this worker loads, in order.

        Returns:
            positions: int64 `(steps · loaded_size,)`, where each stands in the epoch of all workers.
            places: int32, likewise, where each stands in the training part.

        Raises:
            UserError: if the sampler returns another shape than for the first epoch.
        """
        places = self.draw(epoch)
        if places.shape != (self.steps, self.batch_size):
            raise UserError(
                f"a sampler must return the same shape for every epoch, here {(self.steps, self.batch_size)}. "
                f"Received: {places.shape} for epoch {epoch}"
            )
        positions = np.arange(places.size, dtype=np.int64).reshape(places.shape)
        return positions[:, self.loaded].ravel(), places[:, self.loaded].ravel()
