import numpy as np
import pytest

from keras_reid.evaluation import adjusted_rand_index
from keras_reid.evaluation.calibration.calibration import logit
from keras_reid.tracks.clustering import (
    add_expected_neighbours,
    agglomerate,
    estimated_prior,
    log_odds_of,
    pair_log_odds,
)
from tests.evaluation.calibration.test_calibration import line


def ratios_of(sizes, noise=1.0):
    """Log-likelihood ratios of pictures around a direction for each identity, and the identities."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rows = rng.standard_normal((len(sizes), 32))[labels] + noise * rng.standard_normal((len(labels), 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    calibration = line(distances=[0.3, 1.0], log_likelihood_ratio=[8.0, -5.0], prior=0.02)
    return pair_log_odds(rows, log_odds_of(calibration, 0.5)), labels


def test_it_helps_where_identities_differ_in_size():
    plain, labels = ratios_of([1, 2, 3, 4, 6, 18] * 9)
    ratios, prior = plain.copy(), estimated_prior(plain)
    assert add_expected_neighbours(plain, ratios, prior, prior, 1) == 1
    np.testing.assert_array_equal(ratios, ratios.T)
    assert plain.min() <= ratios.min() < ratios.max() <= plain.max()
    without, found = (agglomerate(some + np.float32(logit(prior))) for some in (plain, ratios))
    assert adjusted_rand_index(labels, found) > adjusted_rand_index(labels, without) + 0.02


@pytest.mark.parametrize("sizes", [[6] * 50, [1, 18, 2, 30]], ids=["even", "few"])
def test_it_says_nothing_of_even_albums_and_of_few_pictures(sizes):
    plain, _ = ratios_of(sizes, noise=0.5)
    ratios = plain.copy()
    assert add_expected_neighbours(plain, ratios, 0.02, 0.02, 3) == 0
    np.testing.assert_array_equal(ratios, plain)
