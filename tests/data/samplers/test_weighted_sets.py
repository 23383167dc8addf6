import numpy as np
import pytest

from keras_reid.data import ReIDDataset, Sample, WeightedSetsSampler, combine
from keras_reid.data.samplers import draw_batches
from keras_reid.utils.errors import UserError

NAMES = [f"big_{n}" for n in range(30)] + [f"small_{n}" for n in range(4)]


def _labels():
    """30 identities of 1 … 30 images in "big", 4 of 2 … 5 in "small"."""
    identities = np.repeat(np.arange(34), [*range(1, 31), *range(2, 6)])
    return np.random.default_rng(0).permutation(identities)


def _draw(sampler, identities=None, names=NAMES, seed=0, epoch=0):
    identities = _labels() if identities is None else np.asarray(identities)
    return sampler(identities, None, names=names, seed=seed, epoch=epoch)


@pytest.mark.parametrize(("big", "small"), [(3, 1), (1, 1), (1, 3)])
def test_every_batch_has_the_share_of_each_set(big, small):
    identities, sampler = _labels(), WeightedSetsSampler({"small": small, "big": big}, 4, 3)
    batches = _draw(sampler)
    assert sampler.batch_size == 12
    assert batches.dtype == np.int32
    assert batches.shape == (len(identities) // 12, 12)
    first_sets = set()
    for batch in batches:
        groups = identities[batch].reshape(4, 3)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == 4
        assert (groups[:, 0] >= 30).sum() * (big + small) == 4 * small
        first_sets.add(groups[0, 0] >= 30)
        for group, identity in zip(batch.reshape(4, 3), groups[:, 0], strict=True):
            if (identities == identity).sum() >= 3:
                assert len(set(group)) == 3
    # The sets are mixed within a batch, so that each replica gets images of all.
    assert first_sets == {True, False}


def test_identities_come_as_often_as_they_have_images():
    sampler = WeightedSetsSampler({"big": 1, "small": 1}, 2, 1)
    identities = _labels()
    drawn = np.concatenate([identities[_draw(sampler, epoch=epoch)].ravel() for epoch in range(100)])
    counts = np.bincount(drawn)[30:]
    # One identity of "small" a batch, with 2, 3, 4, 5 of its 14 images; four standard deviations of a share of 5/14.
    batches = counts.sum()
    assert batches == 100 * (len(identities) // 2)
    expected = batches * np.arange(2, 6) / 14
    assert np.abs(counts - expected).max() < 4 * np.sqrt(batches * 5 / 14 * 9 / 14)


def test_different_identities_are_drawn_one_after_another():
    # P(the pair {a, b}) = a/n · b/(n − a) + b/n · a/(n − b) for identities of 1, 2 and 7 images.
    identities = np.repeat([0, 1, 2, 3], [1, 2, 7, 10])
    sampler = WeightedSetsSampler({"s": 2, "t": 1}, 3, 1)
    drawn = np.concatenate(
        [_draw(sampler, identities, ["s_0", "s_1", "s_2", "t_0"], epoch=e) for e in range(1000)]
    )
    pairs = np.sort(identities[drawn], axis=1)[:, :2]
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    chance = lambda a, b: a / 10 * b / (10 - a) + b / 10 * a / (10 - b)  # noqa: E731
    expected = [chance(1, 2), chance(1, 7), chance(2, 7)]
    # 6000 batches: four standard deviations are at most 0.026.
    np.testing.assert_allclose(counts / counts.sum(), expected, atol=0.026)


def test_one_identity_with_nearly_all_images_is_no_trap():
    identities = np.repeat([0, 1, 2, 3], [100_000, 1, 1, 2])
    batches = _draw(WeightedSetsSampler({"s": 1, "t": 1}, 2, 16), identities, ["s_0", "s_1", "t_0", "t_1"])
    assert batches.shape == (3125, 32)


def test_a_combined_data_set_gives_the_names():
    samples = [Sample(f"{n}.jpg", identity=n // 4, camera=n % 2) for n in range(24)]
    both = combine([ReIDDataset("b", samples[:12]), ReIDDataset("b_c", samples[12:])])
    assert both.train_labels()[2] == ["b_0", "b_1", "b_2", "b_c_3", "b_c_4", "b_c_5"]
    batches = draw_batches(
        WeightedSetsSampler({"b": 1, "b_c": 2}, 3, 2), *both.train_labels(), seed=0, epoch=0
    )
    assert ((batches >= 12).sum(axis=1) == 4).all()


def test_the_order_of_the_files_does_not_matter():
    identities, sampler = _labels(), WeightedSetsSampler({"big": 1, "small": 1}, 4, 2)
    order = np.random.default_rng(1).permutation(len(identities))
    one, other = _draw(sampler), order[_draw(sampler, identities[order])]
    np.testing.assert_array_equal(identities[one], identities[other])


def test_an_epoch_depends_on_seed_and_epoch_alone():
    sampler = WeightedSetsSampler({"big": 1, "small": 1}, 4, 2)
    np.testing.assert_array_equal(_draw(sampler, seed=1, epoch=2), _draw(sampler, seed=1, epoch=2))
    assert (_draw(sampler, seed=1, epoch=2) != _draw(sampler, seed=1, epoch=3)).any()
    assert (_draw(sampler, seed=1, epoch=2) != _draw(sampler, seed=2, epoch=2)).any()


def test_sets_that_cannot_give_their_share():
    with pytest.raises(
        UserError, match="a batch needs 6 identities of data set 'small', which has only 4; lower"
    ):
        _draw(WeightedSetsSampler({"big": 1, "small": 1}, 12, 2))
    with pytest.raises(UserError, match="'small_0' is of none of the data sets with a weight, big; train on"):
        _draw(WeightedSetsSampler({"big": 1}, 4, 2))
    with pytest.raises(UserError, match="a batch needs 2 identities of data set 'other', which has only 0"):
        _draw(WeightedSetsSampler({"big": 1, "small": 1, "other": 2}, 4, 2))
    with pytest.raises(UserError, match=r"call it with names=dataset.train_labels\(\)\[2\]"):
        _draw(WeightedSetsSampler({"big": 1}, 4, 2), names=None)
    with pytest.raises(UserError, match="only 34"):
        _draw(WeightedSetsSampler({"big": 1, "small": 1}, 36, 2))
    with pytest.raises(UserError, match="has only one"):
        _draw(WeightedSetsSampler({"a": 1}, 1, 2), [0, 1], ["a_0", "a_1"])


def test_mistakes():
    with pytest.raises(ValueError, match=r"multiple of the sum of the weights, 3, such as 18.*Received"):
        WeightedSetsSampler({"a": 2, "b": 1})
    for bad in ({}, (3, 1), None):
        with pytest.raises(ValueError, match="`weights` must give a positive integer for each data set"):
            WeightedSetsSampler(bad)
    for bad in (0, 1.5, True):
        with pytest.raises(ValueError, match=r"the weight of a data set must be a positive integer.*'a'"):
            WeightedSetsSampler({"a": bad})
        with pytest.raises(ValueError, match="`images_per_identity` must be a positive integer"):
            WeightedSetsSampler({"a": 1}, images_per_identity=bad)
        with pytest.raises(ValueError, match="`identities_per_batch` must be a positive integer"):
            WeightedSetsSampler({"a": 1}, identities_per_batch=bad)
