import itertools

import numpy as np

from keras_reid.data.doctor import picture_hash
from keras_reid.data.doctor.picture_hash import candidate_pairs, picture_hashes


def test_bits_are_low_frequencies_above_their_median():
    random = np.random.default_rng(0).integers(0, 256, (51, 32, 32, 3), dtype=np.uint8)
    hashes = picture_hashes(random)
    assert hashes.shape == (51, 63)
    assert set(hashes.sum(axis=0).tolist()) == {25}
    # The first bit belongs to half a wave from left to right.
    columns = random.astype(float) @ [0.299, 0.587, 0.114]
    wave = np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    strength = (columns * wave).sum(axis=(1, 2))
    assert np.corrcoef(strength, hashes[:, 0])[0, 1] > 0.7


def test_brightness_and_contrast_do_not_count():
    random = np.random.default_rng(0).integers(40, 200, (50, 32, 32, 3), dtype=np.uint8)
    changed = (random * 1.1 + 10).round().astype(np.uint8)
    hashes = picture_hashes(np.concatenate([random, changed]))
    assert (hashes[:50] != hashes[50:]).mean() < 0.02


def test_no_picture_and_empty_pictures():
    assert picture_hashes(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 63)
    assert candidate_pairs(np.zeros((0, 63), bool)).shape == (0, 2)
    assert candidate_pairs(np.zeros((1, 63), bool)).shape == (0, 2)
    assert not picture_hashes(np.full((3, 32, 32, 3), 7, np.uint8)).any()


def test_pairs_are_found_and_the_rest_is_not():
    rng = np.random.default_rng(0)
    hashes = rng.random((1000, 63)) < 0.5
    copies = hashes[:300] ^ (rng.random((300, 63)) < 0.08)
    both = np.concatenate([hashes, copies])
    pairs = {tuple(pair) for pair in candidate_pairs(both).tolist()}
    assert all(first < second for first, second in pairs)
    true = {(place, 1000 + place) for place in range(300)}
    assert len(pairs & true) >= 290
    assert max((both[first] ^ both[second]).sum() for first, second in pairs) <= 14


def test_a_large_group_is_compared_with_the_next_ones(monkeypatch):
    monkeypatch.setattr(picture_hash, "_LARGE", 4)
    pairs = candidate_pairs(np.zeros((100, 63), bool))
    assert len(pairs) == 99 + 98 + 97
    assert np.bincount(pairs.ravel()).min() >= 3


def test_few_are_all_compared():
    hashes = np.random.default_rng(0).random((20, 63)) < 0.5
    assert candidate_pairs(hashes).tolist() == [list(pair) for pair in itertools.combinations(range(20), 2)]
