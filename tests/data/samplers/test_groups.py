import numpy as np

from keras_reid.data.samplers.groups import draw_places


def test_places_are_different_where_there_are_enough_and_every_subset_is_as_likely():
    drawn = draw_places(np.full(6000, 4), 2, np.random.default_rng(0))
    assert drawn.shape == (6000, 2)
    subsets, counts = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert subsets.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    # 1000 each; four standard deviations are 115.
    assert np.abs(counts - 1000).max() < 115


def test_groups_of_any_size_at_once():
    sizes = np.array([1, 2, 3, 4, 50] * 400)
    drawn = draw_places(sizes, 3, np.random.default_rng(0))
    assert (drawn >= 0).all()
    assert (drawn < sizes[:, None]).all()
    different = np.array([len(set(row)) for row in drawn.tolist()])
    assert (different[sizes >= 3] == 3).all()
    # With replacement from two places: all of the 2³ = 8 outcomes come.
    assert len(np.unique(drawn[sizes == 2], axis=0)) == 8


def test_no_places():
    assert draw_places(np.array([1, 2]), 0, np.random.default_rng(0)).shape == (2, 0)
