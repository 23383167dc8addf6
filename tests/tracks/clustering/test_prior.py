import numpy as np
import pytest

from keras_reid.tracks.clustering import estimated_prior


def ratios(items, share, seed=0):
    """Gaussian log-likelihood ratios, whose variance is twice their mean, as it must be."""
    rng = np.random.default_rng(seed)
    same = rng.random((items, items)) < share
    values = np.where(same, 4, -4) + np.sqrt(8) * rng.standard_normal((items, items))
    return (np.tril(values, -1) + np.tril(values, -1).T).astype(np.float32)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_the_share_of_same_pairs_is_found(share):
    assert estimated_prior(ratios(300, share)) == pytest.approx(share, rel=0.1, abs=1e-3)


def test_impossible_pairs_do_not_count():
    values = ratios(200, 0.05)
    held = values.copy()
    values[:100, 100:] = values[100:, :100] = -np.inf
    apart = (estimated_prior(held[:100, :100]) + estimated_prior(held[100:, 100:])) / 2
    assert estimated_prior(values) == pytest.approx(apart, rel=0.05)


def test_few_pairs():
    assert estimated_prior(np.zeros((1, 1), np.float32)) == 0.5
    assert estimated_prior(np.full((2, 2), -np.inf, np.float32)) == 0.5
    assert (
        0 < estimated_prior(np.full((2, 2), -9, np.float32)) < 0.5 < estimated_prior(np.full((2, 2), 9.0)) < 1
    )
