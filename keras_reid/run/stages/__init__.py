"""The parts of a run that only some experiments ask for: one file each, all with the methods of `Stage`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.run.stages.adaptation import Adaptation
from keras_reid.run.stages.distillation import Distillation
from keras_reid.run.stages.partial import Partial
from keras_reid.run.stages.stage import Stage

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Experiment
    from keras_reid.run.data import Datasets

STAGES = (Partial, Adaptation, Distillation)  # last the one that wraps the model


class Stages(Stage):
    """The stages of a run as one: each is called in turn, with what the one before gave.

    Args:
        experiment: an `Experiment`. The stages that it asks for take part.
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment)
        self.stages = [stage(experiment) for stage in STAGES if stage.wanted(experiment)]
        self.labelled = all(stage.labelled for stage in self.stages)

    def check(self) -> None:
        for stage in self.stages:
            stage.check()

    def load(self, datasets: Datasets, trust_code: bool) -> None:
        for stage in self.stages:
            stage.load(datasets, trust_code)

    def batches(self, batches: Any) -> Any:
        for stage in self.stages:
            batches = stage.batches(batches)
        return batches

    def prepare(self, model: Any) -> Any:
        for stage in self.stages:
            model = stage.prepare(model)
        return model

    def callbacks(self, model: Any) -> dict[str, Any]:
        return {name: one for stage in self.stages for name, one in stage.callbacks(model).items()}

    def finish(
        self, directory: RunDirectory, model: Any, tests: Sequence[ReIDDataset], results: dict[str, Any]
    ) -> dict[str, Any]:
        for stage in self.stages:
            results = stage.finish(directory, model, tests, results)
        return results
