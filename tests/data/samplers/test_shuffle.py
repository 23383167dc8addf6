import numpy as np
import pytest

from keras_reid.data import ShuffleSampler


def test_an_epoch_is_a_permutation_without_the_last_part():
    batches = ShuffleSampler(4)(np.zeros(11), None, seed=0, epoch=0)
    assert batches.shape == (2, 4)
    assert batches.dtype == np.int32
    assert len(np.unique(batches)) == 8
    assert batches.max() < 11


def test_few_images_are_repeated():
    batches = ShuffleSampler(5)(np.zeros(2), None, seed=0, epoch=0)
    assert batches.shape == (1, 5)
    assert set(batches[0]) == {0, 1}


def test_an_epoch_depends_on_seed_and_epoch_alone():
    draw = lambda seed, epoch: ShuffleSampler(8)(np.zeros(64), None, seed=seed, epoch=epoch)  # noqa: E731
    np.testing.assert_array_equal(draw(1, 2), draw(1, 2))
    assert (draw(1, 2) != draw(1, 3)).any()
    assert (draw(1, 2) != draw(2, 2)).any()


@pytest.mark.parametrize("bad", [0, 1.5, True])
def test_positive_integer(bad):
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        ShuffleSampler(bad)
