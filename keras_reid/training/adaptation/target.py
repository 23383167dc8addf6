"""The target's training images, and what they count as in the present epoch."""

import dataclasses

import keras
import numpy as np

from keras_reid.data.pipeline import test_batches
from keras_reid.embedding import check_finite, embed_paths, l2_normalize
from keras_reid.training.adaptation.cluster_sampler import ClusterSampler
from keras_reid.training.adaptation.pseudo_labels import OUTLIER, pseudo_labels
from keras_reid.training.precise_batch_norm import precise_batch_norm
from keras_reid.utils.errors import UserError

_OUTLIER = "outlier"  # comes after the numbers of the clusters


class Target(keras.callbacks.Callback):
    """Gives the training images of a domain the identities of clusters, anew for each epoch.

    Before an epoch all images are embedded (as they are in the files, in evaluation mode) and clustered, and the memory
    of `ClusterMemoryLoss` is filled with the clusters' mean features. Outliers are left out of that epoch. Whom an
    image shows is never looked at. As a callback it adds `clusters` and `outliers` (a share) to the logs of the epoch,
    for the callbacks after it; as a part of `Checkpoints(also=…)` it keeps the clusters of a begun epoch.

    Source: the statistics are AdaBN of Li et al., "Revisiting batch normalization for practical domain adaptation",
    2017; the rest is of `pseudo_labels` and `ClusterMemoryLoss`.

    Cost of an epoch beside the steps: a forward pass for each image, and `pseudo_labels`.

    Args:
        dataset: a `ReIDDataset`, of whose training part only paths and cameras are used.
        sampler: which images make a batch, with the clusters as identities; it must have a `batch_size`, as those of
            `keras_reid.data.samplers` have.
        steps: batches an epoch; None for as many as show each image once.
        batch_size: images that are embedded at a time.
        statistics: whether, before the first epoch, batch normalisation gets the statistics of these images, by one
            more forward pass: the source's are of other light and colours.
        **clustering: as of `pseudo_labels`.

    Attributes:
        memory: the `ClusterMemoryLoss` of the compiled model, which `set_model` is given; to be set before batches are
            asked for.
        make_batches: as `keras_reid.data.pipeline.train_batches`, called with the data set, the sampler and
            `first_epoch`, `first_step` and `epochs`; likewise.

    Example:
        >>> target = Target(dataset, IdentitySampler(16, 4), steps=400)
        >>> batches = target.batches_from(epoch=0)  # doctest: +SKIP
    """

    def __init__(self, dataset, sampler, steps=None, batch_size=128, statistics=True, **clustering):
        super().__init__()
        size = getattr(sampler, "batch_size", None)
        if not size:
            raise UserError(
                "with an adaptation data.sampler must have a batch_size, as IdentitySampler() has, because batches "
                f"cannot be drawn before there are clusters. Received: {sampler!r}"
            )
        self.paths = [sample.path for sample in dataset.train]
        self.dataset, self.sampler, self.images_per_batch = dataset, sampler, size
        self.steps = steps or max(1, len(self.paths) // size)
        self.batch_size, self.statistics, self.clustering = batch_size, statistics, clustering
        self.memory, self.make_batches = None, None
        self._epoch, self._labels = None, None

    @property
    def most_clusters(self):
        """So many clusters there can be at most."""
        return max(1, len(self.paths) // self.clustering.get("min_samples", 4))

    @property
    def names(self):
        """Of the clusters, by their numbers."""
        return [f"cluster {number}" for number in range(self.most_clusters)]

    def batches_from(self, epoch, step=0, part=(0, 1)):
        """The batches of an epoch from a step on; clusters first, unless those of this epoch are known.

        Raises:
            UserError: there is no cluster, or too few for a batch.
        """
        if epoch != self._epoch:
            if epoch == 0 and self.statistics:
                self._take_statistics()
            embeddings = l2_normalize(self._embed())
            labels = pseudo_labels(embeddings, **self.clustering)
            clusters = int(labels.max(initial=-1)) + 1
            if not clusters:
                raise UserError(self._nothing_found(epoch))
            means = np.zeros((clusters, embeddings.shape[1]), np.float32)
            np.add.at(means, labels[labels >= 0], embeddings[labels >= 0])
            self.memory.fill(means)  # normalised there, so that sums are enough
            self._epoch, self._labels = epoch, labels
            print(f"epoch {epoch + 1}: {clusters} clusters, {100 * self._outliers():.1f} % outliers")
        samples = [
            dataclasses.replace(sample, identity=_OUTLIER if label == OUTLIER else f"{label:08d}")
            for sample, label in zip(self.dataset.train, self._labels.tolist(), strict=True)
        ]
        batches, _ = self.make_batches(
            dataclasses.replace(self.dataset, train=samples),
            ClusterSampler(self.sampler, self._labels, self.steps),
            first_epoch=epoch,
            first_step=step,
            epochs=epoch + 1,
            part=part,
        )
        return batches

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs |= {"clusters": int(self._labels.max()) + 1, "outliers": self._outliers()}

    def state(self):
        """For a checkpoint."""
        return {"epoch": self._epoch, "labels": None if self._labels is None else self._labels.tolist()}

    def restore(self, state):
        """From a checkpoint."""
        self._epoch = state["epoch"]
        self._labels = None if state["labels"] is None else np.array(state["labels"], np.int32)

    def _take_statistics(self):
        # In random order: neighbours in a folder show the same.
        order = np.random.default_rng(0).permutation(len(self.paths))
        size = min(self.batch_size, len(self.paths))
        batches = test_batches([self.paths[place] for place in order], self.model.image_size, size)
        precise_batch_norm(self.model, batches, len(self.paths) // size)

    def _embed(self):
        embeddings = embed_paths(self.model, self.paths, self.batch_size)
        check_finite(self.paths, embeddings)
        return embeddings

    def _outliers(self):
        return float((self._labels == OUTLIER).mean())

    def _nothing_found(self, epoch):
        options = {"eps": 0.6, "min_samples": 4, "k1": 30, "k2": 6, **self.clustering}
        shown = ", ".join(f"adaptation.{name}={value}" for name, value in options.items())
        return (
            f"epoch {epoch + 1}: none of the {len(self.paths)} training images is in a cluster, with {shown}. Images "
            "that share neighbours are needed: raise eps (towards 0.7), lower min_samples (to 2), and choose k1 near "
            "the number of images of an identity, or start from a source that knows this domain better"
        )
