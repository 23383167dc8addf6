"""Initialisers for the weights of layers."""

import keras


def normal_over_filters() -> keras.initializers.Initializer:
    """N(0, sqrt(2 / (kernel² · filters))): He initialisation for the fan-out, not truncated, as in PyTorch."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def uniform_over_inputs() -> keras.initializers.Initializer:
    """Uniform within ±1/sqrt(kernel² · inputs), the default in PyTorch."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
