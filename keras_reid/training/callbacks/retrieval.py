"""Retrieval metrics while training."""

import keras

from keras_reid.evaluation import print_table
from keras_reid.evaluation.dataset import evaluate_dataset


class RetrievalEvaluation(keras.callbacks.Callback):
    """Evaluates a `ReIDModel` on the test part of data sets every few epochs and after the last one.

    Prints a table and adds `NAME/rank1`, `NAME/mAP` and so on to the logs of the epoch. `last` holds the newest
    evaluations by the name of the set, with features.

    Args:
        datasets: `ReIDDataset`s with different names and a test part.
        every: epochs between evaluations; 0 for the last epoch only.
        metric: `"cosine"` or `"euclidean"`.
        batch_size: images in a batch.
        flip: whether embeddings are averaged with those of the mirror image.
    """

    def __init__(self, datasets, every=10, metric="cosine", batch_size=128, flip=False):
        super().__init__()
        self.datasets, self.every = list(datasets), every
        self.options = {"metric": metric, "batch_size": batch_size, "flip": flip}
        self.last = None

    def on_epoch_begin(self, epoch, logs=None):
        self.last = None  # of other weights than the epoch will leave

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done == self.params["epochs"] or (self.every and done % self.every == 0):
            for name, evaluation in self.evaluate(self.model).items():
                summary = evaluation.result.to_dict()
                logs.update(
                    {f"{name}/{key}": summary[key] for key in ("rank1", "rank5", "rank10", "mAP", "mINP")}
                )

    def evaluate(self, model):
        """Evaluates now, prints the table, and returns the evaluations by name."""
        self.last = {
            dataset.name: evaluate_dataset(model, dataset, **self.options) for dataset in self.datasets
        }
        print_table({name: evaluation.result for name, evaluation in self.last.items()})
        return self.last
