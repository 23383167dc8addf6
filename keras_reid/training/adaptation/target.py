"""The target's training images, and what they count as in the present epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_reid.data.pipeline import test_batches
from keras_reid.embedding import check_finite, embed_paths, l2_normalize
from keras_reid.losses import ClusterMemoryLoss
from keras_reid.training.adaptation.cluster_sampler import ClusterSampler
from keras_reid.training.adaptation.pseudo_labels import OUTLIER, pseudo_labels
from keras_reid.training.precise_batch_norm import precise_batch_norm
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset

_OUTLIER = "outlier"  # comes after the numbers of the clusters


class Target(keras.callbacks.Callback):
    """Training batches of a domain whose identities nobody knows: those of clusters, which are found for each epoch.

    Before an epoch all images are embedded (as they are in the files, in evaluation mode) and clustered, and the memory
    of `ClusterMemoryLoss` is filled with the clusters' mean features. Outliers are left out of that epoch. Whom an
    image shows is never looked at. As a callback it adds `clusters` and `outliers` (a share) to the logs of the epoch,
    for the callbacks after it; as a part of `Checkpoints(also=…)` it keeps the clusters of a begun epoch.

    Source: the statistics are AdaBN of Li et al., "Revisiting batch normalization for practical domain adaptation",
    2017; the rest is of `pseudo_labels` and `ClusterMemoryLoss`.

    Cost of an epoch in addition to the steps: a forward pass for each image, and `pseudo_labels`.

    Args:
        dataset: a `ReIDDataset`, of whose training part only paths and cameras are used.
        sampler: which images make a batch, with the clusters as identities; it must have a `batch_size`, as those of
            `keras_reid.data.samplers` have.
        make_batches: as `keras_reid.data.pipeline.train_batches`, called with the data set, the sampler and
            `first_epoch`, `first_step`, `epochs` and `part`.
        steps_per_epoch: None for as many as show each image once.
        embedded_at_once: images.
        statistics: whether, before the first epoch, batch normalisation gets the statistics of these images, by one
            more forward pass: the source's are of other light and colours.
        eps, min_samples, k1, k2: as of `pseudo_labels`.

    Attributes:
        batch_size: images of a step.
        classes: 0, as the head tells no identities apart.

    Example:
        >>> target = Target(dataset, IdentitySampler(16, 4), train_batches, steps_per_epoch=400)
        >>> batches = target.start(model, epoch=0)  # doctest: +SKIP
    """

    classes = 0
    renewed = True  # the clusters of an epoch depend on what was learnt before it

    def __init__(
        self,
        dataset: ReIDDataset,
        sampler: Any,
        make_batches: Callable[..., tuple[Any, Any]],
        steps_per_epoch: int | None = None,
        embedded_at_once: int = 128,
        statistics: bool = True,
        eps: float = 0.6,
        min_samples: int = 4,
        k1: int = 30,
        k2: int = 6,
    ) -> None:
        super().__init__()
        size = getattr(sampler, "batch_size", None)
        if not size:
            raise UserError(
                "with an adaptation data.sampler must have a batch_size, as IdentitySampler() has, because batches "
                f"cannot be drawn before there are clusters. Received: {sampler!r}"
            )
        self.paths = [sample.path for sample in dataset.train]
        self.dataset, self.sampler, self.make_batches, self.batch_size = dataset, sampler, make_batches, size
        self.steps_per_epoch = steps_per_epoch or max(1, len(self.paths) // size)
        self.embedded_at_once, self.statistics = embedded_at_once, statistics
        self.clustering: dict[str, Any] = {"eps": eps, "min_samples": min_samples, "k1": k1, "k2": k2}
        self._epoch: int | None = None
        self._labels: NDArray[np.int32] | Any = None

    @property
    def names(self) -> list[str]:
        """Of the clusters, by their numbers: as many as there can be at most."""
        most = max(1, len(self.paths) // self.clustering["min_samples"])
        return [f"cluster {number}" for number in range(most)]

    def check(self) -> None:
        """Does nothing: there are no batches before there are clusters."""

    def start(
        self,
        model: keras.Model,
        epoch: int,
        step: int = 0,
        epochs: int | None = None,
        part: tuple[int, int] | None = None,
    ) -> Any:
        """The batches of an epoch from a step on; clusters first, unless those of this epoch are known.

        Args:
            model: compiled with one `ClusterMemoryLoss`, which is filled.
            epoch, step: the first.
            epochs: not used, as there are no clusters for further epochs.
            part: `(index, count)` of several workers; None for the whole batches.

        Raises:
            UserError: there is no cluster, or too few for a batch.
        """
        if epoch != self._epoch:
            self._cluster(model, epoch)
        samples = [
            dataclasses.replace(sample, identity=_OUTLIER if label == OUTLIER else f"{label:08d}")
            for sample, label in zip(self.dataset.train, self._labels.tolist(), strict=True)
        ]
        batches, _ = self.make_batches(
            dataclasses.replace(self.dataset, train=samples),
            ClusterSampler(self.sampler, self._labels, self.steps_per_epoch),
            first_epoch=epoch,
            first_step=step,
            epochs=epoch + 1,
            part=part or (0, 1),
        )
        return batches

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs |= {"clusters": int(self._labels.max()) + 1, "outliers": self._outliers()}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"epoch": self._epoch, "labels": None if self._labels is None else self._labels.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._epoch = state["epoch"]
        self._labels = None if state["labels"] is None else np.array(state["labels"], np.int32)

    def _cluster(self, model, epoch):
        """Finds the clusters of an epoch and fills the memory with their features."""
        if epoch == 0 and self.statistics:
            self._take_statistics(model)
        embeddings = l2_normalize(self._embed(model))
        labels = pseudo_labels(embeddings, **self.clustering)
        clusters = int(labels.max(initial=-1)) + 1
        if not clusters:
            raise UserError(self._no_clusters(epoch))
        means = np.zeros((clusters, embeddings.shape[1]), np.float32)
        np.add.at(means, labels[labels >= 0], embeddings[labels >= 0])
        cluster_memory(model).fill(means)  # normalised there, so that sums are enough
        self._epoch, self._labels = epoch, labels
        print(f"epoch {epoch + 1}: {clusters} clusters, {100 * self._outliers():.1f} % outliers")

    def _take_statistics(self, model):
        # In random order: neighbours in a folder show the same.
        order = np.random.default_rng(0).permutation(len(self.paths))
        size = min(self.embedded_at_once, len(self.paths))
        batches = test_batches([self.paths[place] for place in order], model.image_size, size)
        precise_batch_norm(model, batches, len(self.paths) // size)

    def _embed(self, model):
        embeddings = embed_paths(model, self.paths, self.embedded_at_once)
        check_finite(self.paths, embeddings)
        return embeddings

    def _outliers(self):
        return float((self._labels == OUTLIER).mean())

    def _no_clusters(self, epoch):
        shown = ", ".join(f"adaptation.{name}={value}" for name, value in self.clustering.items())
        return (
            f"epoch {epoch + 1}: none of the {len(self.paths)} training images is in a cluster, with {shown}. Images "
            "that share neighbours are needed: raise eps (towards 0.7), lower min_samples (to 2), and choose k1 near "
            "the number of images of an identity, or start from a source that knows this domain better"
        )


def cluster_memory(model: keras.Model) -> ClusterMemoryLoss:
    """The one `ClusterMemoryLoss` of a compiled model.

    Raises:
        UserError: there is not exactly one, or another loss reads the class scores.
    """
    losses = model.losses_by_name
    if wrong := [name for name, loss in losses.items() if getattr(loss, "reads", "logits") == "logits"]:
        raise UserError(
            "losses must not read class scores with an adaptation, whose model has no classifier: use "
            f"ClusterMemoryLoss(), and with it metric losses such as TripletLoss(). Received: {', '.join(wrong)}"
        )
    memories = [loss for loss in losses.values() if isinstance(loss, ClusterMemoryLoss)]
    if len(memories) != 1:
        raise UserError(
            "losses must hold one ClusterMemoryLoss() with an adaptation. "
            f"Received: {', '.join(losses) or 'none'}"
        )
    return memories[0]
