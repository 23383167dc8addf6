import numpy as np
import pytest

from keras_reid.data import IdentitySampler, ShuffleSampler
from keras_reid.training.adaptation import ClusterSampler
from keras_reid.utils.errors import UserError

LABELS = np.array([0, -1, 1, 2, 2, 0, -1, 1, 1, 2])
CAMERAS = np.zeros(10, np.int32)


def draw(sampler, epoch=0, seed=0):
    return sampler(None, CAMERAS, seed=seed, epoch=epoch)


def test_draws_clusters_and_no_outliers():
    batches = draw(ClusterSampler(IdentitySampler(2, 2), LABELS, steps=50))
    assert (batches.shape, batches.dtype) == ((50, 4), np.int32)
    drawn = LABELS[batches]
    assert (drawn >= 0).all()
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 0] != drawn[:, 2]).all()
    assert set(batches.ravel().tolist()) == set(np.flatnonzero(LABELS >= 0).tolist())


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_has_as_many_steps_as_asked_for(steps):
    assert draw(ClusterSampler(ShuffleSampler(4), LABELS, steps)).shape == (steps, 4)


def test_depends_on_seed_and_epoch_alone():
    sampler = ClusterSampler(IdentitySampler(2, 2), LABELS, steps=20)
    np.testing.assert_array_equal(draw(sampler), draw(sampler))
    passes = [draw(sampler, epoch, seed).tolist() for epoch in (0, 1) for seed in (0, 1)]
    assert len({str(one) for one in passes}) == 4
    first, second = draw(sampler)[:10], draw(sampler)[10:]
    assert first.tolist() != second.tolist()  # no pass is drawn twice


def test_too_few_clusters_is_said_with_a_remedy():
    message = r"a batch needs 5 identities.*3 clusters with 8 of 10 images: a greater adaptation\.eps"
    with pytest.raises(UserError, match=message):
        draw(ClusterSampler(IdentitySampler(5, 2), LABELS, steps=1))
