"""P identities × K images, shared out among several data sets by weights."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.samplers.groups import by_identity, check_groups, check_positive_integers, draw_places
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class WeightedSetsSampler:
    """Batches of P identities × K images each, of which every data set of a combined one has a fixed share.

    Set s gives each batch `P_s = P · weight_s / sum of the weights` different identities: the identity of an image
    drawn at random from the set, then that of an image drawn from its other identities, and so on, so that identities
    with more images come more often. Each gives K images, all different if it has as many, else drawn with
    replacement. The P identities of a batch are in random order. Every batch is drawn alone: some images may come
    several times in an epoch, others not at all. An epoch has `images // (P · K)` batches, at least one.

    Args:
        weights: positive integer of each data set, by its name.
        identities_per_batch: P, a multiple of the sum of the weights.
        images_per_identity: K, at least 1.

    Raises:
        ValueError: if `weights` is empty, or a weight, P or K is not a positive integer, or P cannot be shared out.

    Example:
        >>> sampler = WeightedSetsSampler({"a": 2, "b": 1}, identities_per_batch=3, images_per_identity=2)
        >>> names = ["a_1", "a_2", "a_3", "b_1", "b_2"]
        >>> sampler([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], None, names=names, seed=0, epoch=0).shape
        (1, 6)

    Source: FastReID's SetReWeightSampler, which never gives a batch: it looks cameras up by numbers where they are
    strings, and asks for a batch larger than the one that it makes. Here sets go by their names instead of by camera,
    the K images of an identity stay together, and no identity comes twice in a batch.
    """

    weights: Mapping[str, int]
    identities_per_batch: int = 16
    images_per_identity: int = 4

    def __post_init__(self):
        check_positive_integers(self, "identities_per_batch", "images_per_identity")
        weights = self.weights
        if not isinstance(weights, Mapping) or not weights:
            raise ValueError(
                "`weights` must give a positive integer for each data set by its name, such as "
                f"{{'market1501': 3, 'dukemtmc': 1}}. Received: weights={weights!r}"
            )
        for name, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
                raise ValueError(
                    f"the weight of a data set must be a positive integer. Received: {name!r}: {weight!r}"
                )
        total = sum(weights.values())
        if self.identities_per_batch % total:
            raise ValueError(
                f"`identities_per_batch` must be a multiple of the sum of the weights, {total}, such as "
                f"{-(-self.identities_per_batch // total) * total}. "
                f"Received: identities_per_batch={self.identities_per_batch}, weights={dict(weights)}"
            )

    @property
    def batch_size(self) -> int:
        """P · K images."""
        return self.identities_per_batch * self.images_per_identity

    def __call__(
        self,
        identities: NDArray[Any],
        cameras: NDArray[Any] | None,
        *,
        seed: int,
        epoch: int,
        names: Sequence[str] | None = None,
    ) -> NDArray[np.int32]:
        """Draws the batches of one epoch.

        Args:
            identities: `(images,)`, integer, the class of each training image.
            cameras: ignored by this sampler.
            seed: non-negative integer.
            epoch: non-negative integer.
            names: the identities as strings in class order, in which the name of the set comes first, as
                `keras_reid.data.combine` makes them ("market1501_2"). Where the names of two sets fit, the longer one
                counts.

        Returns:
            int32 `(steps, P · K)`: places in the training part; the K images of an identity are neighbours.

        Raises:
            UserError: if an identity belongs to no set with a weight, a set has fewer than P_s identities, or K > 1
                and no identity has two images.
        """
        identities = np.asarray(identities)
        present, first, counts = by_identity(identities)
        check_groups(counts, self.identities_per_batch, self.images_per_identity)
        sets = self._sets(names, present)
        generator = np.random.default_rng((seed, epoch))
        steps = max(1, len(identities) // self.batch_size)
        chosen = []
        for number, (name, weight) in enumerate(self.weights.items()):
            members = np.flatnonzero(sets == number)
            share = self.identities_per_batch * weight // sum(self.weights.values())
            if len(members) < share:
                raise UserError(
                    f"a batch needs {share} identities of data set {name!r}, which has only {len(members)}; lower "
                    "its weight or identities_per_batch, or leave the set out"
                )
            chosen.append(members[_draw_identities(counts[members], share, steps, generator)])
        chosen = generator.permuted(np.concatenate(chosen, axis=1), axis=1).ravel()
        drawn = first[chosen, None] + draw_places(counts[chosen], self.images_per_identity, generator)
        return np.argsort(identities, kind="stable")[drawn].reshape(steps, -1).astype(np.int32)

    def _sets(self, names, present):
        """The number of the set of each identity, in the order of `weights`."""
        if names is None:
            raise UserError(
                "WeightedSetsSampler needs the names of the identities, which say to what data set each belongs; "
                "call it with names=dataset.train_labels()[2]"
            )
        names = np.asarray(names)[present]
        sets = np.full(len(names), -1)
        for number, name in sorted(enumerate(self.weights), key=lambda item: len(item[1])):
            sets[np.strings.startswith(names, f"{name}_")] = number
        if (sets < 0).any():
            raise UserError(
                f"identity {str(names[np.argmin(sets)])!r} is of none of the data sets with a weight, "
                f"{', '.join(self.weights)}; train on data.Combined and give each of its sets a weight, by its name"
            )
        return sets


def _draw_identities(counts, share, steps, generator):
    """int64 `(steps, share)`: different identities of a set, each that of an image at random from those not yet drawn.

    Numbers of identities ascend as their images do, so that images to step over are counted from the front.
    """
    of_image = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    drawn = np.empty((steps, share), np.int64)
    for number in range(share):
        before = np.sort(drawn[:, :number], axis=1)
        image = generator.integers(len(of_image) - counts[before].sum(axis=1))
        for identity in before.T:
            image += np.where(image >= first[identity], counts[identity], 0)
        drawn[:, number] = of_image[image]
    return drawn
