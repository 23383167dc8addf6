import math

import numpy as np
import pytest

from keras_reid.evaluation.calibration.likelihood_ratio import fit_log_likelihood_ratio
from keras_reid.evaluation.calibration.pairs import halves
from keras_reid.evaluation.calibration.reliability import reliability, tally
from keras_reid.utils.errors import UserError

BINS = np.linspace(0, 1, 2001)


def normal(mean, spread, count):
    """Expected pairs at each distance."""
    density = np.exp(-(((BINS - mean) / spread) ** 2) / 2)
    return count * density / density.sum()


def test_finds_the_ratio_of_two_normal_distributions():
    same, different = normal(0.4, 0.1, 1e4), normal(0.6, 0.1, 1e6)
    knots, ratio = fit_log_likelihood_ratio(BINS, same, different, identities=10**4, identity_pairs=10**8)
    between = np.linspace(0.2, 0.7, 21)
    expected = ((between - 0.6) ** 2 - (between - 0.4) ** 2) / (2 * 0.1**2)
    np.testing.assert_allclose(np.interp(between, knots, ratio), expected, atol=0.05)


def test_finds_a_curve_too():
    same, different = normal(0.3, 0.05, 1e4), normal(0.6, 0.15, 1e6)
    knots, ratio = fit_log_likelihood_ratio(BINS, same, different, identities=10**4, identity_pairs=10**8)
    between = np.linspace(0.32, 0.45, 14)  # it would rise again to the left of 0.26
    expected = (((between - 0.6) / 0.15) ** 2 - ((between - 0.3) / 0.05) ** 2) / 2 + math.log(3)
    np.testing.assert_allclose(np.interp(between, knots, ratio), expected, atol=0.15)
    assert (np.diff(ratio) <= 0).all()


@pytest.mark.parametrize(("identities", "identity_pairs"), [(8, 56), (100, 9900)])
def test_is_no_surer_than_the_identities_allow(identities, identity_pairs):
    """Separable: without bounds the odds would be infinite."""
    same, different = np.where(BINS < 0.3, 10.0, 0), np.where(BINS > 0.5, 6.0, 0)
    knots, ratio = fit_log_likelihood_ratio(BINS, same, different, identities, identity_pairs)
    assert (np.diff(ratio) <= 0).all()
    assert ratio[0] == pytest.approx(math.log(identity_pairs + 1))
    assert ratio[-1] == pytest.approx(-math.log(identities + 1))
    assert abs(np.interp(0.4, knots, ratio)) < 1


def test_few_identities_are_smoothed_more():
    rng = np.random.default_rng(0)
    same, different = rng.poisson(normal(0.4, 0.1, 300)), rng.poisson(normal(0.6, 0.1, 3000))
    roughness = []
    for identities in (10, 300):
        _, ratio = fit_log_likelihood_ratio(BINS, same, different, identities, 10**9)
        inside = ratio[6:14]
        roughness.append(np.abs(np.diff(inside, 2)).sum())
    assert roughness[0] < roughness[1]


def test_more_pairs_of_as_many_identities_are_no_more_evidence():
    same, different = normal(0.4, 0.1, 1e3), normal(0.6, 0.1, 1e4)
    _, once = fit_log_likelihood_ratio(BINS, same, different, 50, 2450)
    _, often = fit_log_likelihood_ratio(BINS, 7 * same, 7 * different, 50, 2450)
    np.testing.assert_allclose(often, once, atol=1e-4)


def test_a_model_that_tells_nothing_apart_is_refused():
    with pytest.raises(UserError, match=r"all pairs are at the distance 0\.2500"):
        fit_log_likelihood_ratio(np.array([0.25]), np.array([3.0]), np.array([9.0]), 4, 12)


def test_halves_share_no_identity_and_have_matches_alike():
    identities, matched = np.arange(41), np.arange(10)
    first, second = halves(identities, matched, seed=0)
    assert sorted([*first, *second]) == list(identities)
    assert np.isin(first, matched).sum() == np.isin(second, matched).sum() == 5
    assert abs(len(first) - len(second)) <= 1
    assert sorted(halves(identities, matched, seed=1)[0]) != sorted(first)


def test_golden_reliability():
    probabilities = np.array([0.05, 0.05, 0.95, 1.0])
    same, different = np.array([0, 1, 8, 1]), np.array([30, 9, 0, 1])
    table = tally(probabilities, same, different, prior=10 / 50)  # as many as there are
    low, high = reliability([table], repetitions=1)
    assert (low["lower"], low["upper"], low["pairs"]) == (0.0, 0.1, 40)
    assert (low["predicted"], low["observed"]) == pytest.approx((0.05, 1 / 40))
    assert (high["predicted"], high["observed"]) == pytest.approx(((8 * 0.95 + 2) / 10, 0.9))
    assert (high["pairs"], high["deviation"]) == (10, 0)


def test_a_prior_counts_same_pairs_more():
    table = tally(np.array([0.5]), np.array([10]), np.array([40]), prior=0.5)
    (row,) = reliability([table, table], repetitions=2)
    assert (row["observed"], row["pairs"]) == (pytest.approx(0.5), 50)


def test_the_deviation_is_that_of_the_parts():
    tables = [tally(np.array([0.5]), np.array([k]), np.array([10 - k]), prior=k / 10) for k in (4, 6)]
    (row,) = reliability(tables, repetitions=2)
    assert (row["observed"], row["deviation"], row["pairs"]) == (pytest.approx(0.5), pytest.approx(0.1), 10)
