"""Samplers: which training images make up the batches of an epoch.

A sampler is a callable `(identities, cameras, *, seed, epoch)` → int32 `(steps, batch)`, the places of an epoch's
images in the training part, the same shape for every epoch. It returns the same for the same arguments, so that
training can be resumed at any step. If it has one more argument, `names`, it is given the names of the identities in
class order. Where training is distributed, it has `batch_size`, and `images_per_identity` if the images of an identity
are neighbours.
"""

from keras_reid.data.samplers.balanced_identity import BalancedIdentitySampler
from keras_reid.data.samplers.class_balanced import ClassBalancedSampler
from keras_reid.data.samplers.contract import draw_batches
from keras_reid.data.samplers.identity import IdentitySampler
from keras_reid.data.samplers.sharding import check_sharding, shard
from keras_reid.data.samplers.shuffle import ShuffleSampler
from keras_reid.data.samplers.weighted_sets import WeightedSetsSampler

__all__ = [
    "BalancedIdentitySampler",
    "ClassBalancedSampler",
    "IdentitySampler",
    "ShuffleSampler",
    "WeightedSetsSampler",
    "check_sharding",
    "draw_batches",
    "shard",
]
