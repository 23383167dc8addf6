"""Retrieval metrics on the test sets of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import keras

from keras_reid.evaluation import EvaluationSettings, Evaluator, print_table
from keras_reid.evaluation.retrieval_result import METRICS
from keras_reid.training.callbacks.averaged import averaged_weights

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.evaluation.evaluator import DatasetEvaluation
    from keras_reid.training.callbacks.best_model import BestModel


class RunEvaluation(keras.callbacks.Callback):
    """Evaluates a `ReIDModel` on the test part of data sets every few epochs and after the last one.

    Prints a table and adds `NAME/rank1`, `NAME/mAP` and so on to the logs of the epoch. `last` holds the newest
    evaluations by the name of the set, with features. If the optimizer keeps a moving average of the weights
    (`use_ema`), that is evaluated, because training ends with it. See `RetrievalEvaluation` for a
    training of your own.

    Args:
        datasets: `ReIDDataset`s with different names and a test part.
        every: epochs between evaluations; 0 for the last epoch only.
        metric: `"cosine"` or `"euclidean"`.
        batch_size: images in a batch.
        flip: whether embeddings are averaged with those of the mirror image.
        best: a `BestModel`, which keeps the best model and stops the training when its patience is exhausted.
        before_last: called with the model before the last evaluation, such as `precise_batch_norm` with its data.
    """

    def __init__(
        self,
        datasets: Iterable[ReIDDataset],
        every: int = 10,
        metric: str = "cosine",
        batch_size: int = 128,
        flip: bool = False,
        best: BestModel | None = None,
        before_last: Callable[[keras.Model], Any] | None = None,
    ) -> None:
        super().__init__()
        self.datasets, self.every = list(datasets), every
        self.settings = EvaluationSettings(metric=metric, batch_size=batch_size, flip=flip)
        self.best, self.before_last = best, before_last
        self.last: dict[str, DatasetEvaluation] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.last = None  # its weights are not those that the epoch will leave

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        done = epoch + 1
        last = done == self.params["epochs"]
        if not last and not (self.every and done % self.every == 0):
            return
        with averaged_weights(self.model):
            self._evaluate(done, logs, last)
            if self.best and self.best.exhausted and not last:
                self.model.stop_training = True
                print(
                    f"stopping after epoch {done}: {self.best.patience} evaluations without a better one than that of "
                    f"epoch {self.best.epoch}"
                )
                if self.before_last:
                    self._evaluate(done, logs, last=True)

    def _evaluate(self, done, logs, last):
        if last and self.before_last:
            self.before_last(self.model)
        evaluations = self.evaluate(self.model)
        for name, evaluation in evaluations.items():
            summary = evaluation.result.to_dict()
            logs.update({f"{name}/{key}": summary[key] for key in METRICS})
        if self.best:
            self.best.consider(self.model, done, evaluations)

    def evaluate(self, model: keras.Model) -> dict[str, DatasetEvaluation]:
        """Evaluates now, prints the table, and returns the evaluations by name."""
        evaluator = Evaluator(model, self.settings)
        self.last = {dataset.name: evaluator.run(dataset) for dataset in self.datasets}
        print_table({name: evaluation.result for name, evaluation in self.last.items()})
        return self.last
