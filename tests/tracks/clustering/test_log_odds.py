import numpy as np
import pytest

from keras_reid.evaluation.calibration.calibration import Calibration
from keras_reid.tracks.clustering import agglomeration, check_options, log_odds, log_odds_of, pair_log_odds
from keras_reid.utils.errors import UserError


def calibration(metric="cosine", prior=0.5):
    table = ([0.2, 0.5, 0.8], [6.0, 0.0, -6.0])
    return Calibration(metric, False, prior, *table, 0.9, 0.1, 0.3, 1e-3, {}, {}, [], {})


def test_log_odds_are_those_of_the_calibrated_probability():
    distances = np.linspace(0, 1, 21)
    for prior in (None, 0.01):
        values = log_odds_of(calibration(prior=0.3), prior)(distances)
        expected = calibration(prior=0.3).probability(distances, prior)
        assert values == pytest.approx(np.log(expected / (1 - expected)), abs=2e-3)
        assert (np.diff(values) < 0).all()  # also beyond the table's ends


def test_pairs_are_compared_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((7, 5)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    function = log_odds_of(calibration())
    whole = pair_log_odds(embeddings, function)
    monkeypatch.setattr(log_odds, "_BLOCK", 14)
    assert pair_log_odds(embeddings, function) == pytest.approx(whole, abs=1e-5)
    assert whole == pytest.approx(function(1 - embeddings @ embeddings.T), abs=1e-5)
    assert np.array_equal(whole, whole.T)


def test_a_calibration_of_other_distances_is_refused():
    with pytest.raises(UserError, match="is for euclidean distances, and embeddings are compared by cosine"):
        log_odds_of(calibration("euclidean"))
    with pytest.raises(UserError, match="the prior is the share of same pairs"):
        log_odds_of(calibration(), prior=1.0)


def test_too_many_items_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(agglomeration, "MOST", 3)
    with pytest.raises(UserError, match="at most 3 items"):
        pair_log_odds(np.eye(4, dtype=np.float32), log_odds_of(calibration()))


def test_options_are_checked():
    with pytest.raises(UserError, match=r"prior is the share of same pairs .*Received: 2"):
        check_options(2, 0.5)
    with pytest.raises(UserError, match=r"the probability must lie between 0 and 1. Received: 1"):
        check_options(None, 1)
