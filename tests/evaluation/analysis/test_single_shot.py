import numpy as np
import pytest

from keras_reid.evaluation import Distances, evaluate, evaluate_single_shot
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.utils.errors import UserError
from tests.evaluation.test_retrieval_metrics import golden_features, random_features


@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("levels", [None, 2])
def test_equals_the_definition(protocol, metric, levels):
    query, gallery = random_features(0, levels=levels)
    result = evaluate_single_shot(query, gallery, metric, protocol=protocol, repetitions=3, seed=5)
    matches, matrix = GroundTruth(query, gallery, protocol), np.asarray(Distances(query, gallery, metric))
    for number, draw in enumerate(result.results):
        place, ranks = np.random.default_rng(5 + number).permutation(len(gallery)), []
        for index, row in enumerate(matrix):
            positives, junk = matches[index]
            if not len(positives):
                continue
            chosen = {}
            for item in np.argsort(place).tolist():
                if item not in junk:
                    chosen.setdefault(int(gallery.identities[item]), item)
            items = sorted(chosen.values())
            order = sorted(items, key=lambda item: (row[item], item))
            ranks.append(1 + order.index(chosen[int(query.identities[index])]))
        np.testing.assert_array_equal(draw.first_match, ranks)
        np.testing.assert_allclose(draw.average_precision, 1 / np.array(ranks))


def test_mean_and_spread_of_seeded_draws():
    query, gallery = random_features(1)
    result = evaluate_single_shot(query, gallery)
    each = [draw.rank1 for draw in result.results]
    assert len(each) == 10
    assert result.rank1 == result.rank(1) == pytest.approx(np.mean(each))
    assert result.cmc[0] == pytest.approx(np.mean(each))
    summary = result.to_dict()
    assert summary["repetitions"] == 10
    assert summary["spread"]["rank1"] == pytest.approx(np.std(each, ddof=1)) != 0
    assert summary["num_valid_queries"] == evaluate(query, gallery).num_valid_queries
    assert evaluate_single_shot(query, gallery).to_dict() == summary
    assert evaluate_single_shot(query, gallery, seed=1).to_dict() != summary


def test_one_item_of_each_identity_makes_it_easier():
    query, gallery = random_features(2, identities=4, gallery=400)
    assert evaluate_single_shot(query, gallery).mAP > evaluate(query, gallery).mAP


def test_needs_a_draw():
    with pytest.raises(UserError, match=r"`repetitions` must be at least 1\. Received: 0"):
        evaluate_single_shot(*golden_features(), repetitions=0)
