import numpy as np
import pytest

from keras_reid.evaluation import Distances, Features, evaluate_open_set, without_identities
from keras_reid.utils.errors import UserError
from tests.evaluation.test_retrieval_metrics import random_features


def line(positions, identities, camera):
    """Items on a line; distances are Euclidean."""
    return Features(np.array(positions, float)[:, None], identities, [camera] * len(positions))


def test_by_hand():
    gallery = line([0, 10, 20], [0, 1, 2], 1)
    # Three targets: right at 1, right at 3, and one nearer to a wrong item (at 2, its own at 8); two others at 1.5, 4.
    query = line([1, 13, 12, 18.5, 24], [0, 1, 2, 7, 8], 0)
    result = evaluate_open_set(query, gallery, "euclidean")
    assert result.first_match.tolist() == [1, 1, 2]
    np.testing.assert_allclose(result.match_distance, [1, 3, 8])
    np.testing.assert_allclose(result.nearest_target, [1, 3, 2])
    np.testing.assert_allclose(result.nearest_other, [1.5, 4])
    assert result.threshold(0.1) == pytest.approx(1.5)
    assert result.threshold(0.5) == pytest.approx(4)
    assert result.threshold(1) == np.inf
    assert result.true_target_rate(0.1) == pytest.approx(1 / 3)
    assert result.true_target_rate(0.5) == 1.0
    assert result.detection_and_identification_rate(0.1) == pytest.approx(1 / 3)
    assert result.detection_and_identification_rate(0.5) == pytest.approx(2 / 3)
    assert result.detection_and_identification_rate(1.0, k=1) == pytest.approx(2 / 3)
    assert result.detection_and_identification_rate(1.0, k=2) == 1.0
    assert result.false_target_rate(2) == 0.5
    assert result.to_dict()["dir_at_far"] == {"0.01": pytest.approx(1 / 3), "0.1": pytest.approx(1 / 3)}
    assert evaluate_open_set(query, gallery, "cosine").threshold(0.5) != result.threshold(0.5)


@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
def test_equals_the_definition(protocol):
    query, gallery = random_features(0)
    gallery = without_identities(gallery, 0.5, seed=1)
    result = evaluate_open_set(query, gallery, protocol=protocol)
    matrix = np.asarray(Distances(query, gallery)).astype(float)
    same = query.identities[:, None] == gallery.identities
    junk = same & (query.cameras[:, None] == gallery.cameras) & (protocol == "cross_camera")
    matrix[junk] = np.inf
    target, other = (same & ~junk).any(1), ~same.any(1)
    assert result.left_out == (~target & ~other).sum()
    for rate in (0.0, 0.2, 0.7):
        threshold = result.threshold(rate)
        assert (matrix[other].min(1) < threshold).mean() <= rate
        assert result.true_target_rate(rate) == pytest.approx((matrix[target].min(1) < threshold).mean())
        best = matrix[target].argmin(1)
        right = same[target][np.arange(target.sum()), best] & (matrix[target].min(1) < threshold)
        assert result.detection_and_identification_rate(rate) == pytest.approx(right.mean())


def test_takes_identities_out_by_seed():
    _, gallery = random_features(0, identities=20)
    smaller = without_identities(gallery, 0.25, seed=3)
    assert len(np.unique(smaller.identities)) == len(np.unique(gallery.identities)) - round(21 * 0.25)
    assert len(without_identities(gallery, 0.25, seed=4)) != len(smaller)
    with pytest.raises(UserError, match="`share` must lie between 0 and 1"):
        without_identities(gallery, 1.0)


def test_needs_both_kinds_of_queries():
    gallery = line([0, 10], [0, 1], 1)
    for identities, counts in (([0, 1], "2 and 0"), ([8, 9], "0 and 2")):
        with pytest.raises(UserError, match=f"Received: {counts}.*without_identities"):
            evaluate_open_set(line([1, 9], identities, 0), gallery)
