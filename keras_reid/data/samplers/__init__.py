"""Samplers: which training images make up the batches of an epoch."""

from keras_reid.data.samplers.identity import IdentitySampler
from keras_reid.data.samplers.shuffle import ShuffleSampler

__all__ = ["IdentitySampler", "ShuffleSampler"]
