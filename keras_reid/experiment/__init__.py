"""Experiments: what a run consists of, described before anything is built. Importing this imports no Keras."""

import importlib
from typing import Any

from keras_reid.experiment import components
from keras_reid.experiment.component import Component, build
from keras_reid.experiment.components import *  # noqa: F403
from keras_reid.experiment.description import as_dict
from keras_reid.experiment.loading import load_experiment, override
from keras_reid.experiment.schema import (
    Adaptation,
    Data,
    Distillation,
    Evaluation,
    Experiment,
    Model,
    Training,
)
from keras_reid.experiment.smoke import smoke
from keras_reid.utils import moved

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
    "load_experiment",
    "override",
    "smoke",
]
__all__ += components.__all__

_IN_RUN = ("build_model", "compile_model")


def __getattr__(name: str) -> Any:
    if name in _IN_RUN:
        moved.warn(f"{__name__}.{name}", f"keras_reid.run.{name}")
        return getattr(importlib.import_module("keras_reid.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
