"""Schedules, optimizers and callbacks; all of them also work with a plain `keras.Model`."""

from keras_reid.training.optimizers import BIASES, NORMALIZATION, SGD, Adam, ParameterRule
from keras_reid.training.schedules import CosineAfterDelay, WarmUp, beside_warm_up, learning_rates
from keras_reid.training.teacher_outputs import TeacherOutputs

__all__ = [
    "BIASES",
    "NORMALIZATION",
    "SGD",
    "Adam",
    "CosineAfterDelay",
    "ParameterRule",
    "TeacherOutputs",
    "WarmUp",
    "beside_warm_up",
    "learning_rates",
]
