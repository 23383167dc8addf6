import numpy as np
import pytest

from keras_reid.data.samplers import draw_batches
from keras_reid.utils.errors import UserError

IDENTITIES, CAMERAS, CLASSES = np.array([0, 0, 1]), np.array([4, 5, 6]), ["p", "q"]


def _draw(sampler):
    return draw_batches(sampler, IDENTITIES, CAMERAS, CLASSES, seed=7, epoch=8)


def test_a_sampler_gets_what_it_asks_for():
    got = []

    def plain(identities, cameras, *, seed, epoch):
        got.append((identities, cameras, seed, epoch))
        return [[2, 0]]

    def with_names(identities, cameras, *, seed, epoch, names):
        got.append(names)
        return [[2, 1]]

    batches = _draw(plain)
    assert batches.dtype == np.int32
    assert batches.tolist() == [[2, 0]]
    assert _draw(with_names).tolist() == [[2, 1]]
    assert got[0][0] is IDENTITIES
    assert got[0][1] is CAMERAS
    assert got[0][2:] == (7, 8)
    assert got[1] == CLASSES


@pytest.mark.parametrize("bad", [[0, 1], [[0.5]], np.zeros((0, 4), int), None])
def test_a_sampler_returns_integers_in_two_dimensions(bad):
    with pytest.raises(UserError, match="integers \\(steps, batch\\)"):
        _draw(lambda identities, cameras, seed, epoch: bad)


@pytest.mark.parametrize("bad", [-1, 3])
def test_places_are_in_the_training_part(bad):
    with pytest.raises(UserError, match="must return places in the training part, 0 … 2"):
        _draw(lambda identities, cameras, seed, epoch: [[0, bad]])
