"""The best model of a run, and when to stop looking for a better one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.utils.files import write_json

if TYPE_CHECKING:
    import keras

    from keras_reid.evaluation.evaluator import DatasetEvaluation


class BestModel:
    """Keeps the model with the highest (mAP + Rank-1) / 2 on the first test set as `best.keras`.

    Every evaluated epoch counts. Further test sets are looked at, but decide nothing. `best.json` says which epoch it
    was, and its metrics on every set. Given to `Checkpoints(also=…)`, it goes on where a resumed run goes on.

    Args:
        directory: where the two files go.
        save: `save(model, file, epoch)`, which writes a model.
        patience: evaluations without a better one after which it is `exhausted`; 0 for never.

    Source: the measure is FastReID's. Deliberate differences: there the best value is lost on resume, and only epochs
    with a checkpoint count.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        save: Callable[[keras.Model, Path, int], Any],
        patience: int = 0,
    ) -> None:
        self.directory = Path(directory)
        self.save = save
        self.patience = patience
        self.epoch: int | None = None
        self.value: float | None = None
        self.since = 0

    @property
    def exhausted(self) -> bool:
        """Whether `patience` evaluations have passed since the best one."""
        return bool(self.patience) and self.since >= self.patience

    def consider(self, model: keras.Model, epoch: int, evaluations: Mapping[str, DatasetEvaluation]) -> None:
        """Keeps the model if it is the best so far.

        Args:
            model: as evaluated.
            epoch: epochs done, 1 or more.
            evaluations: what `RunEvaluation.evaluate` returned.
        """
        name, first = next(iter(evaluations.items()))
        value = (first.result.mAP + first.result.rank1) / 2
        # The last epoch may be evaluated twice, with other moving statistics; it is one.
        self.since += epoch != getattr(self, "_considered", None)
        self._considered = epoch
        if self.value is not None and not value > self.value:
            return
        self.epoch, self.value, self.since = epoch, value, 0
        self.save(model, self.directory / "best.keras", epoch)
        results = {key: evaluation.result.to_dict() for key, evaluation in evaluations.items()}
        content = {
            "epoch": epoch,
            "measure": f"(mAP + Rank-1) / 2 of {name}",
            "value": value,
            "results": results,
        }
        write_json(self.directory / "best.json", content)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"epoch": self.epoch, "value": self.value, "since": self.since}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.epoch, self.value, self.since = state["epoch"], state["value"], state["since"]
