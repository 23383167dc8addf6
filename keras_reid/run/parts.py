"""What a run is made of, read and checked before anything is trained."""

from dataclasses import dataclass

from keras_reid.data.dataset import ReIDDataset
from keras_reid.run.data import read_datasets
from keras_reid.run.model import build_backbone
from keras_reid.run.stages.adaptation import check_adaptation, load_source
from keras_reid.run.stages.distillation import check_teachers, load_teachers
from keras_reid.run.stages.partial import check_held_out, read_validation


@dataclass(frozen=True)
class Parts:
    """Data and models that an experiment names. Lists hold one or none, but for tests and teachers."""

    dataset: ReIDDataset
    """to train on"""
    tests: list
    """data sets to test on"""
    validations: list
    """data set on which the share of DSR is chosen"""
    backbones: list
    """the backbone, with its pretrained weights"""
    teachers: list
    """`ReIDModel`s"""
    sources: list
    """`ReIDModel` from which an adaptation starts"""


def read_parts(experiment, strategy, trust_code=False):
    """Reads the data and builds the models that an experiment names.

    Args:
        experiment: an `Experiment`.
        strategy: within whose scope models are built; None for none.
        trust_code: as in `load_model`, for runs that the experiment names.

    Returns:
        `Parts`.

    Raises:
        UserError: for whatever is missing, out of reach or does not go together.
    """
    from keras_reid.training.strategy import scope

    validations, backbones, teachers, sources = [], [], [], []

    def build():  # early, before every image is checked, because weights may be out of reach
        check_teachers(experiment.distillation)
        check_adaptation(experiment)
        with scope(strategy):
            backbones.append(build_backbone(experiment))
            teachers.extend(load_teachers(experiment.distillation, trust_code))
            sources.extend(load_source(experiment.adaptation, trust_code))
        if experiment.evaluation.dsr_validation is not None:
            validations.append(read_validation(experiment.data, experiment.evaluation.dsr_validation))

    dataset, tests = read_datasets(
        experiment.data, before_checking=build, identities=not experiment.adaptation.wanted
    )
    tested = [sample for test in tests for sample in (*test.query, *test.gallery)]
    for validation in validations:
        check_held_out(validation, {"tested on": tested, "trained on": dataset.train})
    return Parts(dataset, tests, validations, backbones, teachers, sources)
