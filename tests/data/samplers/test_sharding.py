import subprocess
import sys

import numpy as np
import pytest

from keras_reid.data import (
    BalancedIdentitySampler,
    IdentitySampler,
    ShuffleSampler,
    WeightedSetsSampler,
    check_sharding,
)
from keras_reid.data.samplers import shard
from keras_reid.utils.errors import UserError

NAMES = [f"{'ab'[n % 2]}_{n}" for n in range(12)]
SAMPLERS = [
    IdentitySampler(6, 3),
    BalancedIdentitySampler(6, 3),
    lambda *args, **kwargs: WeightedSetsSampler({"a": 2, "b": 1}, 6, 3)(*args, names=NAMES, **kwargs),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=["identity", "balanced", "weighted"])
@pytest.mark.parametrize("replicas", [1, 2, 3, 6])
def test_all_images_of_an_identity_are_on_one_replica(sampler, replicas):
    identities = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 9))
    batches = sampler(identities, np.arange(108) % 4, seed=0, epoch=0)
    parts = shard(batches, replicas, images_per_identity=3)
    assert parts.shape == (replicas, len(batches), 18 // replicas)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), batches)
    for step in range(len(batches)):
        owners = [set(identities[part[step]]) for part in parts]
        assert all(len(one) == 6 // replicas for one in owners)
        assert len(set.union(*owners)) == 6


def test_one_batch_of_anything():
    assert shard(["a", "b", "c", "d"], 2).tolist() == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("refuse", ["shard", "check_sharding"])
def test_batches_that_would_be_torn_apart(refuse):
    def check(sampler, replicas):
        if refuse == "check_sharding":
            check_sharding(sampler, replicas)
        else:
            batches = np.zeros((5, sampler.batch_size), int)
            shard(batches, replicas, getattr(sampler, "images_per_identity", 1))

    check(IdentitySampler(16, 4), 8)
    check(ShuffleSampler(6), 3)
    # 24 images go into 4 parts, but not 6 identities.
    message = (
        "a batch of 6 identities cannot be shared out evenly among 4 replicas; make it 4 or 8 identities"
    )
    with pytest.raises(UserError, match=message):
        check(IdentitySampler(6, 4), 4)
    with pytest.raises(UserError, match=r"2 identities .* among 4 replicas; make it 4 identities"):
        check(BalancedIdentitySampler(2, 4), 4)
    with pytest.raises(UserError, match=r"a batch of 6 images cannot .* make it 4 or 8 images$"):
        check(ShuffleSampler(6), 4)
    for bad in (0, 2.0, True):
        with pytest.raises(ValueError, match="`replicas` must be a positive integer"):
            check(ShuffleSampler(6), bad)


def test_images_of_an_identity_must_fill_the_batch():
    with pytest.raises(UserError, match="a batch of 6 images does not hold 4 of each identity"):
        shard(np.zeros((1, 6)), 1, images_per_identity=4)
    with pytest.raises(ValueError, match="`images_per_identity` must be a positive integer"):
        shard(np.zeros((1, 6)), 1, images_per_identity=0)


def test_a_sampler_that_does_not_say_its_batch_size():
    with pytest.raises(UserError, match="must have the attribute batch_size"):
        check_sharding(lambda identities, cameras, seed, epoch: None, 2)


_DISTRIBUTE = """
import pathlib
import sys
import numpy as np
import tensorflow as tf
from keras_reid.data import IdentitySampler, ReIDDataset, Sample
from keras_reid.data.pipeline import train_batches
from keras_reid.data.samplers import check_sharding, shard
from tests.data.images import write_image

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
file = write_image(pathlib.Path(sys.argv[1]) / "image.jpg")
dataset = ReIDDataset("mine", [Sample(file, identity=n // 5, camera=n) for n in range(40)])
sampler = IdentitySampler(4, 3)
check_sharding(sampler, strategy.num_replicas_in_sync)
batches, steps = train_batches(dataset, sampler, (8, 4), seed=3)
expected = shard([labels["camera"] for _, labels in batches.as_numpy_iterator()], 2, sampler.images_per_identity)
distributed = iter(strategy.experimental_distribute_dataset(batches))
for step in range(steps):
    parts = strategy.experimental_local_results(next(distributed)[1]["camera"])
    np.testing.assert_array_equal(np.stack(parts), expected[:, step])
print("replicas", len(parts), "steps", steps)
"""


@pytest.mark.slow
def test_tensorflow_cuts_batches_the_same_way(tmp_path):
    result = subprocess.run([sys.executable, "-c", _DISTRIBUTE, tmp_path], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1:] == ["replicas 2 steps 3"], result.stderr
