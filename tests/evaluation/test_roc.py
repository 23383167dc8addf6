import numpy as np
import pytest

from keras_reid.evaluation import Distances, Features, evaluate
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.roc import RocHistogram
from keras_reid.utils.errors import UserError
from tests.evaluation.test_retrieval_metrics import golden_features, random_features


def pairs(query, gallery, distances, protocol="cross_camera"):
    """Distances of all positive and of all negative pairs, junk left out."""
    matches, positive, negative = GroundTruth(query, gallery, protocol), [], []
    for index, row in enumerate(distances):
        positives, junk = matches[index]
        positive.append(row[positives])
        negative.append(np.delete(row, np.concatenate([positives, junk])))
    return np.concatenate(positive), np.concatenate(negative)


def test_golden_numbers_of_the_original():
    query, gallery = golden_features()
    roc = evaluate(query, gallery, roc=True).roc
    assert (roc.num_positive_pairs, roc.num_negative_pairs) == (10, 69)
    # The original's label 1 is "different" and its score the distance: swapping both leaves the area as it is.
    assert roc.auc == pytest.approx(0.37971, abs=5e-6 + roc.auc_error)
    assert roc.auc_error < 1e-3


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
def test_equals_the_definition_within_the_stated_errors(metric, levels, protocol):
    query, gallery = random_features(0, levels=levels)
    positive, negative = pairs(query, gallery, np.asarray(Distances(query, gallery, metric)), protocol)
    roc = evaluate(query, gallery, metric, protocol=protocol, roc=True).roc
    wins = (positive[:, None] < negative).mean() + (positive[:, None] == negative).mean() / 2
    assert abs(roc.auc - wins) <= roc.auc_error + 1e-12
    assert roc.auc_error < 1e-3 or levels
    for rate in (1e-3, 1e-2, 0.2):
        threshold = np.sort(negative)[int(rate * len(negative))]
        exact = (positive < threshold).mean()
        assert -1e-12 <= exact - roc.tpr_at(rate) <= roc.tpr_error(rate) + 1e-12
        assert (negative < roc.threshold_at(rate)).mean() <= rate
        assert (positive < roc.threshold_at(rate)).mean() == pytest.approx(roc.tpr_at(rate))
    cuts = np.unique(np.concatenate([positive, negative]))
    gaps = [abs((positive >= cut).mean() - (negative < cut).mean()) for cut in cuts]
    cut = cuts[np.argmin(gaps)]
    rate = ((positive >= cut).mean() + (negative < cut).mean()) / 2
    assert abs(roc.equal_error_rate - rate) <= roc.equal_error_rate_error + min(gaps)


def test_every_point_is_exact_whatever_the_range():
    rng = np.random.default_rng(0)
    block = (rng.standard_normal((5, 400)) * 10.0 ** rng.integers(-30, 30, (5, 400))).astype(np.float32)
    block[0, 0] = 0
    positives, junk = [np.arange(0, 90)] * 5, [np.arange(90, 100)] * 5
    histogram = RocHistogram()
    histogram.add(block[:2], positives[:2], junk[:2])
    histogram.add(block[2:], positives[2:], junk[2:])
    roc = histogram.curve()
    for threshold, tpr, fpr in zip(roc.thresholds, roc.tpr, roc.fpr, strict=True):
        assert tpr == pytest.approx((block[:, :90] < threshold).mean())
        assert fpr == pytest.approx((block[:, 100:] < threshold).mean())


def test_blocks_and_order_change_nothing_and_metrics_stay():
    query, gallery = random_features(1)
    expected = evaluate(query, gallery, roc=True)
    order = np.random.default_rng(0).permutation(len(gallery))
    for other in (
        evaluate(query, gallery, roc=True, block_size=3),
        evaluate(query, gallery[order], roc=True),
        evaluate(query, gallery, roc=True, memory=2**26),
        evaluate(query, gallery, roc=True, distances=np.asarray(Distances(query, gallery))),
    ):
        assert other.to_dict() == expected.to_dict()
    plain = evaluate(query, gallery)
    assert plain.roc is None
    summary = expected.to_dict()
    assert list(summary.pop("roc")["tpr_at_fpr"]) == ["1e-04", "1e-03", "1e-02"]
    assert summary == plain.to_dict()


def test_needs_both_kinds_of_pairs():
    query = Features(np.eye(2), [0, 0], [0, 0])
    gallery = Features(np.eye(2), [0, 0], [1, 1])
    with pytest.raises(UserError, match=r"pairs of different ones\. Received: 4 and 0"):
        evaluate(query, gallery, roc=True)
