"""Experiments: what a run consists of, described before anything is built. Importing this imports no Keras."""

from keras_reid.experiment import components
from keras_reid.experiment.building import build_model, compile_model
from keras_reid.experiment.component import Component, build
from keras_reid.experiment.components import *  # noqa: F403
from keras_reid.experiment.experiment import (
    Adaptation,
    Data,
    Distillation,
    Evaluation,
    Experiment,
    Model,
    Training,
)
from keras_reid.experiment.loading import as_dict, load_experiment, override
from keras_reid.experiment.smoke import smoke

__all__ = [
    "Adaptation",
    "Component",
    "Data",
    "Distillation",
    "Evaluation",
    "Experiment",
    "Model",
    "Training",
    "as_dict",
    "build",
    "build_model",
    "compile_model",
    "load_experiment",
    "override",
    "smoke",
]
__all__ += components.__all__
