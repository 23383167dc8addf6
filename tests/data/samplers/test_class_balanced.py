import numpy as np
import pytest

from keras_reid.data import ClassBalancedSampler


def _draw(identities, batch_size=4, seed=0, epoch=0):
    return ClassBalancedSampler(batch_size)(np.asarray(identities), None, seed=seed, epoch=epoch)


def test_every_draw_weighs_an_image_by_one_over_the_images_of_its_identity():
    generator = np.random.default_rng(0)
    counts = np.array([1, 2, 10, 100, 887])
    identities = generator.permutation(np.repeat(np.arange(5), counts))
    drawn = np.concatenate([_draw(identities, epoch=epoch).ravel() for epoch in range(20)])
    assert len(drawn) == 20_000
    # 4000 draws of each identity; four standard deviations are 226.
    assert np.abs(np.bincount(identities[drawn]) - 4000).max() < 226
    # So 4000 of identity 0's image, 2000 and 400 of each image of the next two.
    for identity, deviation in ((1, 170), (2, 80)):
        per_image = np.bincount(drawn, minlength=1000)[identities == identity]
        assert np.abs(per_image - 4000 / counts[identity]).max() < deviation


@pytest.mark.parametrize(("images", "steps"), [(11, 2), (8, 2), (3, 1), (1, 1)])
def test_as_many_draws_as_images(images, steps):
    batches = _draw(np.zeros(images, int))
    assert batches.shape == (steps, 4)
    assert batches.dtype == np.int32
    assert batches.max() < images


def test_the_order_of_the_files_does_not_matter():
    identities = np.repeat(np.arange(8), np.arange(1, 9))
    order = np.random.default_rng(1).permutation(len(identities))
    one, other = _draw(identities), order[_draw(identities[order])]
    np.testing.assert_array_equal(identities[one], identities[other])


def test_an_epoch_depends_on_seed_and_epoch_alone():
    identities = np.repeat(np.arange(8), 8)
    np.testing.assert_array_equal(_draw(identities, 8, 1, 2), _draw(identities, 8, 1, 2))
    assert (_draw(identities, 8, 1, 2) != _draw(identities, 8, 1, 3)).any()
    assert (_draw(identities, 8, 1, 2) != _draw(identities, 8, 2, 2)).any()


@pytest.mark.parametrize("bad", [0, 1.5, True])
def test_positive_integer(bad):
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        ClassBalancedSampler(bad)
