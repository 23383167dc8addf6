import numpy as np
import pytest

from keras_reid.evaluation import adjusted_rand_index
from keras_reid.evaluation.calibration.calibration import logit
from keras_reid.tracks.albums import group
from keras_reid.tracks.albums.decisions import Decisions
from keras_reid.tracks.clustering import (
    add_neighbours,
    agglomerate,
    estimated_prior,
    log_odds_of,
    pair_log_odds,
)
from keras_reid.utils.errors import UserError
from tests.evaluation.calibration.test_calibration import line

NONE = np.zeros((0, 2), np.int64)


def pictures(identities, of_each, noise, seed=0, dim=32):
    """Embeddings around a direction for each identity, and the identities."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), of_each)
    rows = rng.standard_normal((identities, dim))[labels] + noise * rng.standard_normal((len(labels), dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.fixture(scope="module")
def calibration():
    return line(distances=[0.3, 1.0], log_likelihood_ratio=[8.0, -5.0], prior=0.02)


def test_it_finds_how_many_there_are(calibration):
    embeddings, labels = pictures(20, 6, 0.8)
    found = group(embeddings, calibration)
    assert adjusted_rand_index(labels, found.label) > 0.95
    assert found.prior == pytest.approx(5 / 119, rel=0.5)
    sizes = np.bincount(found.label)
    assert (np.diff(sizes) <= 0).all()  # the largest first
    assert found.probability.shape == labels.shape
    assert ((found.probability > 0) & (found.probability <= 1)).all()
    assert np.median(found.probability) > 0.8


def test_common_neighbours_help(calibration):
    embeddings, labels = pictures(25, 8, 1.2)
    found = group(embeddings, calibration)
    without = agglomerate(pair_log_odds(embeddings, log_odds_of(calibration, found.prior)))
    assert adjusted_rand_index(labels, found.label) > adjusted_rand_index(labels, without) + 0.05


def test_neighbours_keep_the_matrix_symmetric_and_within_what_is_known(calibration):
    embeddings, _ = pictures(10, 4, 0.9)
    ratios = pair_log_odds(embeddings, log_odds_of(calibration, 0.5))
    low, high = ratios.min(), ratios.max()
    assert max(add_neighbours(embeddings, ratios, 0.03)) > 0.03
    np.testing.assert_array_equal(ratios, ratios.T)
    assert low <= ratios.min() < ratios.max() <= high


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_pictures(calibration, count):
    embeddings = np.eye(count, 32, dtype=np.float32)
    found = group(embeddings, calibration)
    assert found.label.tolist() == list(range(count))
    assert (found.probability > 0.5).all()
    assert group(embeddings[[0] * count], calibration).label.tolist() == [0] * count


def test_decisions_are_kept(calibration):
    embeddings = np.eye(3, 32, dtype=np.float32)[[0, 1, 1, 2]]
    assert group(embeddings, calibration).label.tolist() == [1, 0, 0, 2]
    block, nobody = np.array([0, 1, 2, 0]), np.full(4, -1)
    decided = Decisions(block, nobody, np.array([[1, 2]]), 0)
    assert group(embeddings, calibration, decided=decided).label.tolist() == [0, 1, 2, 0]
    core = np.array([-1, 7, 8, -1])  # two that are decided never meet
    decided = Decisions(np.arange(4), core, NONE, 0)
    assert len(set(group(embeddings, calibration, decided=decided).label)) == 4


def test_a_higher_probability_joins_less(calibration):
    embeddings, _ = pictures(20, 6, 1.1)
    counts = [group(embeddings, calibration, probability=one).label.max() for one in (0.1, 0.99)]
    rare = group(embeddings, calibration, prior=0.001)
    assert counts[0] < rare.label.max()
    assert counts[0] < counts[1]
    assert rare.prior == 0.001


def test_refused(calibration):
    with pytest.raises(UserError, match="euclidean"):
        group(np.eye(3, dtype=np.float32), line(metric="euclidean"))
    with pytest.raises(UserError, match="there is no picture to group"):
        group(np.zeros((0, 3), np.float32), calibration)


def test_common_neighbours_do_not_spoil_small_albums(calibration):
    with_them, without = [], []
    for seed in range(20):
        embeddings, labels = pictures(8, 3, 1.0, seed)
        found = group(embeddings, calibration)
        alone = pair_log_odds(embeddings, log_odds_of(calibration, 0.5))
        alone += np.float32(logit(estimated_prior(alone)))
        with_them.append(adjusted_rand_index(labels, found.label))
        without.append(adjusted_rand_index(labels, agglomerate(alone)))
    assert np.mean(with_them) > np.mean(without)
