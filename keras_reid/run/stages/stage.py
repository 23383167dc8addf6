"""The methods of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.experiment.run_directory import RunDirectory
    from keras_reid.experiment.schema import Experiment
    from keras_reid.run.data import Datasets


class Stage:
    """A part of a run that only some experiments ask for.

    A run calls the methods of its stages in the order in which they stand here. In this class each does nothing: a
    stage overrides what it needs.

    Args:
        experiment: an `Experiment`.
    """

    labelled = True
    """whether the identities of the training images may be used"""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    @staticmethod
    def wanted(experiment: Experiment) -> bool:
        """Whether an experiment asks for this stage."""
        raise NotImplementedError

    def check(self) -> None:
        """Rejects settings that do not go together, and files that do not exist, before anything is read.

        Raises:
            UserError: naming the field.
        """

    def load(self, datasets: Datasets, trust_code: bool) -> None:
        """Loads the models and the data that the stage needs in addition to those of every run.

        Args:
            datasets: the `Datasets` of the run, whose images are not yet checked.
            trust_code: as in `load_model`.

        Raises:
            UserError: naming the field.
        """

    def batches(self, batches: Any) -> Any:
        """The training batches, given those of the data set's identities."""
        return batches

    def prepare(self, model: Any) -> Any:
        """The model that is compiled, given the `ReIDModel` of the experiment, or what another stage made of it.

        Raises:
            UserError: the model does not suit the stage.
        """
        return model

    def callbacks(self, model: Any) -> dict[str, Any]:
        """Callbacks of the training by name. Under that name checkpoints keep what their `state()` gives.

        Args:
            model: compiled.

        Raises:
            UserError: the losses do not suit the stage.
        """
        return {}

    def finish(
        self, directory: RunDirectory, model: Any, tests: Sequence[ReIDDataset], results: dict[str, Any]
    ) -> dict[str, Any]:
        """The results, given those of the embeddings.

        Args:
            directory: the `RunDirectory`.
            model: the trained `ReIDModel`, as loaded from there.
            tests: data sets.
            results: dict, the name of a test set → `RetrievalResult`.
        """
        return results
