import numpy as np
import pytest

from keras_reid.data import BalancedIdentitySampler
from keras_reid.utils.errors import UserError


def _draw(sampler, identities, cameras, seed=0, epoch=0):
    return sampler(np.asarray(identities), cameras, seed=seed, epoch=epoch)


def _skewed(seed=0):
    """Identities with 1 … 60 images, some of one camera."""
    generator = np.random.default_rng(seed)
    identities = np.repeat(np.arange(12), [1, 1, 2, 2, 3, 4, 5, 8, 13, 21, 40, 60])
    cameras = np.where(identities % 3 == 0, 2, generator.integers(0, 4, len(identities)))
    order = generator.permutation(len(identities))
    return identities[order], cameras[order]


@pytest.mark.parametrize("size", [1, 2, 4, 7])
@pytest.mark.parametrize("wanted", [1, 5, 12])
def test_every_image_is_where_the_definition_allows_it(wanted, size):
    identities, cameras = _skewed()
    sampler = BalancedIdentitySampler(wanted, size)
    batches = _draw(sampler, identities, cameras)
    assert sampler.batch_size == wanted * size
    assert batches.dtype == np.int32
    assert batches.shape == (max(1, len(identities) // (wanted * size)), wanted * size)
    for batch in batches:
        groups = batch.reshape(wanted, size)
        assert len(set(identities[groups[:, 0]])) == wanted
        for anchor, *others in groups.tolist():
            assert (identities[others] == identities[anchor]).all()
            of_identity = np.flatnonzero(identities == identities[anchor])
            allowed = of_identity[cameras[of_identity] != cameras[anchor]]
            if not len(allowed):
                allowed = of_identity[of_identity != anchor]
            if not len(allowed):
                allowed = of_identity
            assert set(others) <= set(allowed.tolist())
            if len(allowed) >= size - 1:
                assert len(set(others)) == size - 1


def test_exactly_as_many_others_as_wanted_all_take_part():
    # Identity 0: two images of camera 0, three of others. Identity 1: four images of one camera.
    identities, cameras = [0] * 5 + [1] * 4, [0, 0, 1, 2, 3, 5, 5, 5, 5]
    for epoch in range(10):
        for batch in _draw(BalancedIdentitySampler(2, 4), identities, cameras, epoch=epoch):
            for group in batch.reshape(2, 4):
                if group[0] in (0, 1):
                    assert set(group[1:]) == {2, 3, 4}
                elif group[0] > 4:
                    assert set(group) == {5, 6, 7, 8}


def test_identities_have_equal_shares_and_anchors_are_any_image():
    identities, cameras = _skewed()
    anchors = np.concatenate(
        [
            _draw(BalancedIdentitySampler(4, 2), identities, cameras, epoch=epoch)[:, ::2]
            for epoch in range(60)
        ]
    )
    # 12 identities in batches of 4: each comes exactly once in 3 batches, and an epoch has 20.
    counts = np.bincount(identities[anchors.ravel()])
    assert np.abs(counts - 400).max() <= 60
    first_pass = identities[_draw(BalancedIdentitySampler(4, 2), identities, cameras)[:3, ::2]]
    assert sorted(first_pass.ravel()) == list(range(12))
    assert len(np.unique(anchors)) == len(identities)


def test_the_identities_that_fill_no_batch_change():
    identities = np.repeat(np.arange(5), 8)
    batches = _draw(BalancedIdentitySampler(4, 2), identities, None)
    assert batches.shape == (5, 8)
    assert len({tuple(sorted(set(identities[batch]))) for batch in batches}) > 1


@pytest.mark.parametrize("cameras", [None, np.full(24, -1), np.zeros(24, int)])
def test_without_cameras_the_others_are_any_other_image(cameras):
    identities = np.repeat(np.arange(6), 4)
    batches = _draw(BalancedIdentitySampler(3, 4), identities, cameras)
    assert all(len(set(batch)) == 12 for batch in batches)


def test_cameras_matter():
    identities = np.repeat(np.arange(6), 4)
    one, two = (_draw(BalancedIdentitySampler(3, 2), identities, np.arange(24) % n) for n in (1, 2))
    assert (one != two).any()


def test_a_single_image_is_repeated():
    batches = _draw(BalancedIdentitySampler(2, 3), [0, 1, 1], [0, 0, 1])
    assert (batches == 0).sum() == 3


def test_the_order_of_the_files_does_not_matter():
    identities, cameras = _skewed()
    order = np.random.default_rng(1).permutation(len(identities))
    one = _draw(BalancedIdentitySampler(4, 4), identities, cameras)
    other = order[_draw(BalancedIdentitySampler(4, 4), identities[order], cameras[order])]
    np.testing.assert_array_equal(identities[one], identities[other])
    np.testing.assert_array_equal(cameras[one], cameras[other])


def test_an_epoch_depends_on_seed_and_epoch_alone():
    identities, sampler = np.repeat(np.arange(20), 5), BalancedIdentitySampler(4, 2)
    draw = lambda seed, epoch: _draw(sampler, identities, np.arange(100) % 3, seed, epoch)  # noqa: E731
    np.testing.assert_array_equal(draw(1, 2), draw(1, 2))
    assert (draw(1, 2) != draw(1, 3)).any()
    assert (draw(1, 2) != draw(2, 2)).any()


def test_too_few_identities_or_images_is_an_error_not_a_hang():
    with pytest.raises(UserError, match=r"only 2 \(3 images\); set identities_per_batch to 2 or less"):
        _draw(BalancedIdentitySampler(), [0, 1, 1], None)
    with pytest.raises(UserError, match="each of the 20 identities has only one"):
        _draw(BalancedIdentitySampler(4, 2), np.arange(20), None)
    assert _draw(BalancedIdentitySampler(4, 1), np.arange(20), None).shape == (5, 4)


@pytest.mark.parametrize("bad", [0, 2.0, True])
def test_positive_integers(bad):
    with pytest.raises(ValueError, match="`identities_per_batch` must be a positive integer"):
        BalancedIdentitySampler(identities_per_batch=bad)
    with pytest.raises(ValueError, match="`images_per_identity` must be a positive integer"):
        BalancedIdentitySampler(images_per_identity=bad)
