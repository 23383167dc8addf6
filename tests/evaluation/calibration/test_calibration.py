import dataclasses
import json
import math

import numpy as np
import pytest

from keras_reid.evaluation import Calibration, Features, calibrate, evaluate
from keras_reid.utils.errors import UserError


def simulated(identities=60, noise=0.5, seed=0, dim=16):
    """Query and gallery: each identity twice in each of two cameras, around a direction of its own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), 4)
    cameras = np.tile([0, 0, 1, 1], identities)
    centers = rng.standard_normal((identities, dim))
    embeddings = centers[labels] + noise * rng.standard_normal((len(labels), dim))
    query = np.arange(len(labels)) % 2 == 0
    return tuple(Features(embeddings[part], labels[part], cameras[part]) for part in (query, ~query))


@pytest.fixture(scope="module")
def features():
    return simulated()


@pytest.fixture(scope="module")
def calibration(features):
    return calibrate(*features, dataset="simulated")


def logit(p):
    return np.log(p) - np.log1p(-p)


def test_says_what_it_was_fitted_on(calibration, features):
    query, gallery = features
    same = query.identities[:, None] == gallery.identities
    counted = ~(same & (query.cameras[:, None] == gallery.cameras))
    assert calibration.fitted_on == {
        "dataset": "simulated",
        "protocol": "cross_camera",
        "identities": 60,
        "pairs": counted.sum(),
        "same_pairs": (same & counted).sum(),
    }
    assert calibration.prior == pytest.approx((same & counted).sum() / counted.sum())
    assert calibrate(*features, protocol="all").fitted_on["same_pairs"] == same.sum()


def test_the_operating_points_are_those_of_the_evaluation(calibration, features):
    roc = evaluate(*features, roc=True).roc
    points = calibration.operating_points
    assert list(points) == ["eer", "tpr@fpr=1e-4", "tpr@fpr=1e-3", "tpr@fpr=1e-2"]
    assert points["eer"] == roc.equal_error_rate
    assert (points["tpr@fpr=1e-2"], calibration.thresholds["tpr@fpr=1e-2"]) == (
        roc.tpr_at(1e-2),
        roc.threshold_at(1e-2),
    )
    assert calibration.threshold == calibration.thresholds["tpr@fpr=1e-3"] == roc.threshold_at(1e-3)
    at = np.searchsorted(roc.thresholds, calibration.thresholds["eer"])
    assert roc.fpr[at - 1] < points["eer"] <= roc.fpr[at]
    other = calibrate(*features, false_positive_rate=0.025)
    assert other.threshold == other.thresholds["tpr@fpr=2.5e-2"] == roc.threshold_at(0.025)
    assert other.false_positive_rate == 0.025


def test_probabilities_of_other_identities_are_match_rates():
    calibration = calibrate(*simulated(identities=200, noise=1.0, dim=32))
    predicted, matches, pairs = np.zeros(5), np.zeros(5), np.zeros(5)
    for seed in range(1, 11):  # of identities drawn anew: none of them was fitted on
        query, gallery = simulated(identities=100, noise=1.0, seed=seed, dim=32)
        units = [
            part.embeddings / np.linalg.norm(part.embeddings, axis=1)[:, None] for part in (query, gallery)
        ]
        same = query.identities[:, None] == gallery.identities
        counted = ~(same & (query.cameras[:, None] == gallery.cameras))
        same = same[counted]
        distances = (1 - units[0] @ units[1].T)[counted]
        probabilities = calibration.probability(distances, prior=same.mean())
        places = np.minimum((5 * probabilities).astype(int), 4)
        pairs += np.bincount(places, minlength=5)
        predicted += np.bincount(places, probabilities, minlength=5)
        matches += np.bincount(places, same, minlength=5)
    assert (pairs >= 200).all()
    np.testing.assert_allclose(predicted / pairs, matches / pairs, atol=0.05)


def test_the_reliability_is_near_the_diagonal():
    rows = calibrate(*simulated(identities=200, noise=1.0, dim=32), prior=0.05).reliability
    assert [row["lower"] for row in rows] == [place / 10 for place in range(10)]
    for row in rows:
        assert row["lower"] <= row["predicted"] <= row["upper"]
        assert abs(row["predicted"] - row["observed"]) < 0.1
        assert row["deviation"] > 0
    gaps = [abs(row["predicted"] - row["observed"]) for row in rows]
    assert np.average(gaps, weights=[row["pairs"] for row in rows]) < 0.01


def test_the_curve_never_rises_and_the_ratio_does_not_know_the_prior(features, calibration):
    ratio = np.array(calibration.log_likelihood_ratio)
    assert (np.diff(ratio) <= 0).all()
    assert ratio[0] > 3
    assert ratio[-1] < -3
    even = calibrate(*features, prior=0.5)
    assert (even.prior, even.log_likelihood_ratio) == (0.5, calibration.log_likelihood_ratio)
    distances = np.linspace(0, 1, 7)
    shift = logit(even.probability(distances)) - logit(calibration.probability(distances))
    np.testing.assert_allclose(shift, -logit(calibration.prior), rtol=1e-6)
    np.testing.assert_allclose(
        even.probability(distances, calibration.prior), calibration.probability(distances)
    )
    natural, assumed = ({row["lower"]: row for row in one.reliability} for one in (calibration, even))
    assert assumed[0.0]["predicted"] != natural[0.0]["predicted"]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_blocks_and_order_change_nothing(features, metric):
    expected = calibrate(*features, metric)
    assert expected.metric == metric
    for other in (
        calibrate(*features, metric, memory=2**16),
        calibrate(*shuffled_features(features), metric),
    ):
        assert dataclasses.asdict(other) == dataclasses.asdict(expected)


def shuffled_features(features):
    rng = np.random.default_rng(0)
    return [part[rng.permutation(len(part))] for part in features]


def test_travels_as_json(calibration):
    metadata = json.loads(json.dumps(calibration.to_metadata()))
    assert metadata["threshold"] == calibration.threshold
    assert set(metadata["calibration"]) >= {
        *("metric", "flip", "prior", "distances", "log_likelihood_ratio", "same_above", "different_below"),
        *("threshold", "false_positive_rate", "operating_points", "reliability", "fitted_on"),
    }
    again = Calibration.from_metadata(metadata)
    assert dataclasses.asdict(again) == dataclasses.asdict(calibration)
    assert again.probability(0.3) == calibration.probability(0.3)
    del metadata["calibration"]["distances"]
    with pytest.raises(UserError, match="calibration lacks distances"):
        Calibration.from_metadata(metadata)
    with pytest.raises(UserError, match=r"has no calibration.*keras-reid calibrate"):
        Calibration.from_metadata({"threshold": None})


def line(**changes):
    """A calibration whose ratio falls from 4 at 0 to −4 at 1."""
    values = {
        **{"metric": "cosine", "flip": False, "prior": 0.5, "distances": [0.0, 1.0]},
        **{"log_likelihood_ratio": [4.0, -4.0], "same_above": 0.9, "different_below": 0.1, "threshold": 0.3},
        **{"false_positive_rate": 1e-3, "operating_points": {}, "thresholds": {}, "reliability": []},
        "fitted_on": {},
    }
    return Calibration(**{**values, **changes})


def test_golden_probabilities():
    distances = np.array([[-1.0, 0.0], [0.25, 2.0]])
    expected = [[1 / (1 + math.exp(-4))] * 2, [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(4))]]
    np.testing.assert_allclose(line().probability(distances), expected)
    assert line().probability(0.25, prior=0.1) == pytest.approx(1 / (1 + 9 * math.exp(-2)))


@pytest.mark.parametrize(
    ("distance", "changes", "prior", "verdict", "accepted"),
    [
        (0.1, {}, None, "same", True),
        (0.9, {}, None, "different", False),
        (0.5, {}, None, "unsure", False),
        (0.1, {}, 0.01, "unsure", True),
        (0.1, {"prior": 0.01}, None, "unsure", True),
        (0.1, {"same_above": 0.97}, None, "unsure", True),
        (0.9, {"different_below": 0.02}, None, "unsure", False),
        (0.1, {"threshold": 0.1}, None, "same", False),
    ],
)
def test_verdicts(distance, changes, prior, verdict, accepted):
    found = line(**changes).verdict(distance, prior)
    assert (found.verdict, found.accepted) == (verdict, accepted)
    assert found.probability == line(**changes).probability(distance, prior)
    assert found.to_dict() == {**dataclasses.asdict(found), "accepted": accepted}
    assert str(found).startswith(f"{verdict}: probability ")
    assert f"cosine similarity {1 - distance:.4f}" in str(found)
    assert "similarity" not in str(line(metric="euclidean").verdict(distance))


def test_a_distance_or_prior_that_is_none():
    with pytest.raises(UserError, match=r"a distance must be a number. Received: NaN"):
        line().probability([0.1, math.nan])
    for prior in (0, 1, -2, math.nan):
        with pytest.raises(UserError, match=f"prior.*between 0 and 1. Received: {prior}"):
            line().verdict(0.1, prior)


def test_a_calibration_from_before_there_were_domains_works_as_it_did(calibration):
    stored = calibration.to_metadata()
    for name in ("domain", "cameras", "best_matches"):
        del stored["calibration"][name]
    again = Calibration.from_metadata(stored)
    assert (again.domain, again.cameras, again.best_matches) == (None, None, None)
    assert not again.outside(np.full((2, 64), 1e6)).any()
    assert again.verdict(0.3) == calibration.verdict(0.3)


def test_a_domain_in_its_first_form_is_left_out_with_a_warning(calibration):
    stored = calibration.to_metadata()
    stored["calibration"]["domain"] = {"mean": [0.0] * 96, "whitening": [1.0] * 4656, "level": 1.0}
    with pytest.warns(UserWarning, match=r"in an earlier way.*Run `keras-reid calibrate RUN_OR_MODEL` again"):
        again = Calibration.from_metadata(stored)
    assert again.domain is None
    assert again.verdict(0.3) == calibration.verdict(0.3)
    assert stored["calibration"]["domain"] is not None  # the model's metadata stays as it is


def one_camera(features):
    return [Features(part.embeddings, part.identities, np.zeros(len(part), int)) for part in features]


def renamed(features):
    query, gallery = features
    return query, Features(gallery.embeddings, gallery.identities + 1000, gallery.cameras)


def narrower(features):
    return features[0], Features(features[1].embeddings[:, :5], features[1].identities, features[1].cameras)


def collapsed(features):
    return [Features(np.ones_like(part.embeddings), part.identities, part.cameras) for part in features]


def three(features):
    return [part[part.identities < 3] for part in features]


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (one_camera, {}, 'Received: 0. Under the protocol "cross_camera".*use the protocol "all"'),
        (renamed, {}, "Received: 0. Query and gallery share no identity"),
        (three, {}, "at least 4 identities.*Received: 3"),
        (three, {"protocol": "all"}, "Received: 3. Calibrate on a larger test set"),
        (narrower, {}, "must come from the same model. Received: embeddings of 16 and of 5 numbers"),
        (collapsed, {}, "all pairs are at the distance 0.0000: the model tells nothing apart"),
        (
            list,
            {"false_positive_rate": 1e-9},
            "cannot be measured with 14160 different pairs. Ask for at least 7.1e-05",
        ),
        (list, {"false_positive_rate": 0}, "false-positive rate.*between 0 and 1. Received: 0"),
        (list, {"prior": 1.0}, "prior.*between 0 and 1. Received: 1.0"),
        (list, {"same_above": 0.1}, "Received: different_below=0.1, same_above=0.1"),
        (list, {"different_below": 0.95}, "Received: different_below=0.95, same_above=0.9"),
        (list, {"metric": "dsr"}, "`metric` must be one of cosine, euclidean"),
        (list, {"protocol": "some"}, "`protocol` must be one of"),
    ],
)
def test_what_cannot_be_calibrated_is_said_in_one_line(features, spoil, options, message):
    with pytest.raises(UserError, match=message) as caught:
        calibrate(*spoil(features), **options)
    assert "\n" not in str(caught.value)


def test_one_camera_works_under_the_protocol_that_is_named(features):
    assert calibrate(*one_camera(features), protocol="all").fitted_on["protocol"] == "all"


def test_nan_embeddings_are_named(features):
    embeddings = features[0].embeddings.copy()
    embeddings[7, 3] = np.nan
    with pytest.raises(
        UserError, match=r"`embeddings` must be finite\. Received: NaN or infinity, first in row 7"
    ):
        Features(embeddings, features[0].identities, features[0].cameras)


def test_queries_that_are_the_gallery_are_not_compared_with_themselves():
    query, _ = simulated(20)
    calibration = calibrate(query, query, protocol="all", false_positive_rate=0.01)
    assert calibration.fitted_on["pairs"] == len(query) * (len(query) - 1)
    assert calibration.fitted_on["same_pairs"] == len(query)


def test_what_is_kept_for_the_questions(features):
    kept = calibrate(*features, flip=True, same_above=0.8, different_below=0.2)
    assert (kept.flip, kept.same_above, kept.different_below) == (True, 0.8, 0.2)
