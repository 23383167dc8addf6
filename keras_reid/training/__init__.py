"""Schedules, optimizers and callbacks; all of them also work with a plain `keras.Model`."""

from keras_reid.training.optimizers import SGD, Adam
from keras_reid.training.schedules import CosineAfterDelay, WarmUp

__all__ = ["SGD", "Adam", "CosineAfterDelay", "WarmUp"]
