import numpy as np
import pytest

from keras_reid.data.epoch_plan import EpochPlan
from keras_reid.data.samplers import IdentitySampler, ShuffleSampler
from keras_reid.utils.errors import UserError

LABELS = np.repeat(np.arange(6), 2), np.tile([0, 1], 6), [str(identity) for identity in range(6)]


def test_the_images_of_an_epoch_in_the_order_of_the_sampler():
    sampler = ShuffleSampler(batch_size=4)
    plan = EpochPlan.of(LABELS, sampler, seed=3)
    assert (plan.steps, plan.batch_size, plan.share_size, plan.loaded_size) == (3, 4, 4, 4)
    for epoch in (0, 2):
        positions, places = plan.images(epoch)
        np.testing.assert_array_equal(positions, np.arange(12))
        np.testing.assert_array_equal(places, sampler(*LABELS[:2], seed=3, epoch=epoch).ravel())
    assert (positions.dtype, places.dtype) == (np.int64, np.int32)


def test_the_shares_of_the_workers_make_up_the_plan():
    whole = EpochPlan.of(LABELS, IdentitySampler(3, 2), seed=1)
    shares = [EpochPlan.of(LABELS, IdentitySampler(3, 2), seed=1, part=(index, 3)) for index in range(3)]
    for column, images in enumerate(zip(*(share.images(1) for share in shares), strict=True)):
        together = np.concatenate([part.reshape(whole.steps, 2) for part in images], axis=1).ravel()
        np.testing.assert_array_equal(together, whole.images(1)[column])


def test_a_worker_may_need_the_whole_batch():
    plan = EpochPlan.of(LABELS, ShuffleSampler(4), part=(1, 2), whole_batches=True)
    assert (plan.share, plan.loaded) == (slice(2, 4), slice(0, 4))
    np.testing.assert_array_equal(plan.images(0)[0], np.arange(12))


def test_a_resumed_epoch_begins_after_the_images_of_its_steps():
    assert EpochPlan.of(LABELS, ShuffleSampler(4), first_step=2).images_done == 8
    assert EpochPlan.of(LABELS, ShuffleSampler(4), first_step=2, part=(0, 2)).images_done == 4
    assert (
        EpochPlan.of(LABELS, ShuffleSampler(4), first_step=2, part=(0, 2), whole_batches=True).images_done
        == 8
    )


def test_a_sampler_that_changes_its_shape():
    def sampler(identities, cameras, *, seed, epoch):
        return np.zeros((2 + epoch, 4), int)

    plan = EpochPlan.of(LABELS, sampler)
    plan.images(0)
    with pytest.raises(UserError, match=r"the same shape for every epoch, here \(2, 4\). Received: \(3, 4\)"):
        plan.images(1)
