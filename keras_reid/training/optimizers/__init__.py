"""Keras' Adam and SGD with what the recipes of re-identification need."""

from keras_reid.training.optimizers.adam import Adam
from keras_reid.training.optimizers.parameter_rule import BIASES, NORMALIZATION, ParameterRule
from keras_reid.training.optimizers.sgd import SGD

__all__ = ["BIASES", "NORMALIZATION", "SGD", "Adam", "ParameterRule"]
