import numpy as np
import pytest

from keras_reid.data import IdentitySampler
from keras_reid.utils.errors import UserError


def _draw(sampler, identities, seed=0, epoch=0):
    return sampler(np.asarray(identities), None, seed=seed, epoch=epoch)


@pytest.mark.parametrize("seed", range(5))
def test_every_batch_has_p_identities_of_k_images(seed):
    generator = np.random.default_rng(seed)
    wanted, size = int(generator.integers(1, 6)), int(generator.integers(1, 6))
    identities = np.concatenate([np.arange(8), generator.integers(0, 12, 150)])
    sampler = IdentitySampler(wanted, size)
    batches = _draw(sampler, identities, seed)
    assert sampler.batch_size == wanted * size
    assert batches.dtype == np.int32
    assert batches.shape == (len(identities) // (wanted * size), wanted * size)
    for batch in batches:
        groups = identities[batch].reshape(wanted, size)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == wanted


def test_within_a_pass_no_image_comes_twice():
    identities = np.repeat(np.arange(6), 8)
    batches = _draw(IdentitySampler(3, 2), identities)
    # Identities with most groups left are not preferred, so a pass may end early; its images are all
    # different.
    assert len(np.unique(batches[:4])) == 4 * 6


def test_identities_with_few_images_are_drawn_with_replacement():
    batches = _draw(IdentitySampler(2, 4), [0, 1, 1])
    assert batches.shape == (1, 8)
    assert set(batches[0]) <= {0, 1, 2}
    assert (batches == 0).sum() == 4


def test_every_identity_takes_part():
    identities = np.repeat(np.arange(50), 4)
    batches = _draw(IdentitySampler(5, 4), identities)
    assert len(np.unique(identities[batches])) == 50


def test_an_epoch_depends_on_seed_and_epoch_alone():
    identities, sampler = np.repeat(np.arange(20), 5), IdentitySampler(4, 2)
    np.testing.assert_array_equal(_draw(sampler, identities, 1, 2), _draw(sampler, identities, 1, 2))
    assert (_draw(sampler, identities, 1, 2) != _draw(sampler, identities, 1, 3)).any()
    assert (_draw(sampler, identities, 1, 2) != _draw(sampler, identities, 2, 2)).any()


def test_too_few_identities_is_an_error_not_a_hang():
    message = (
        r"needs 16 identities, but the training part has only 2 \(3 images\); set identities_per_batch to 2"
    )
    with pytest.raises(UserError, match=message):
        _draw(IdentitySampler(), [0, 1, 1])


@pytest.mark.parametrize("bad", [0, -1, 2.0, True])
def test_positive_integers(bad):
    with pytest.raises(ValueError, match="`identities_per_batch` must be a positive integer"):
        IdentitySampler(identities_per_batch=bad)
    with pytest.raises(ValueError, match="`images_per_identity` must be a positive integer"):
        IdentitySampler(images_per_identity=bad)


@pytest.mark.parametrize("classes", [751, 50_000])
def test_many_images(classes):
    identities = np.arange(100_000) % classes
    assert _draw(IdentitySampler(), identities).shape == (1562, 64)


def test_one_image_an_identity_has_nothing_to_compare():
    with pytest.raises(UserError, match="each of the 20 identities has only one"):
        _draw(IdentitySampler(4, 2), np.arange(20))
    assert _draw(IdentitySampler(4, 1), np.arange(20)).shape == (5, 4)


def test_the_order_of_the_files_does_not_matter():
    identities = np.repeat(np.arange(8), np.arange(1, 9))
    order = np.random.default_rng(1).permutation(len(identities))
    one, other = (_draw(IdentitySampler(4, 3), labels) for labels in (identities, identities[order]))
    np.testing.assert_array_equal(identities[one], identities[order][other])
