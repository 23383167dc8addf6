import json

import numpy as np
import pytest

from keras_reid.evaluation import Features, calibrate
from keras_reid.evaluation.calibration.calibration_tables import camera_rows, print_calibration
from keras_reid.evaluation.calibration.cameras import camera_threshold
from keras_reid.utils.errors import UserError
from tests.evaluation.calibration.test_calibration import line

_DIM = 24


def seen(seed, identities=120, cameras=4, shared=(0.0, 0.0, 0.0, 0.0), of_each=2):
    """Query and gallery; images of a camera share a part, so that its different pairs are nearer to each other."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), cameras * of_each)
    camera = np.tile(np.repeat(np.arange(cameras), of_each), identities)
    own = rng.standard_normal((identities, _DIM))[labels]
    direction = np.eye(_DIM)[camera]
    embeddings = own + 0.5 * rng.standard_normal(own.shape)
    embeddings += np.array(shared)[camera][:, None] * direction
    query = np.arange(len(labels)) % of_each == 0
    return tuple(Features(embeddings[part], labels[part], camera[part]) for part in (query, ~query))


def rate_of(features, pair, threshold):
    """The share of different pairs of two cameras below a threshold."""
    query, gallery = (
        part.embeddings / np.linalg.norm(part.embeddings, axis=1, keepdims=True) for part in features
    )
    a, b = features
    chosen = (a.identities[:, None] != b.identities) & (a.cameras[:, None] == pair[0])
    chosen &= b.cameras == pair[1]
    return np.mean((1 - query @ gallery.T)[chosen] < threshold)


@pytest.fixture(scope="module")
def calibration():
    features = seen(0, shared=(0.0, 0.0, 0.0, 5.0))
    return calibrate(
        *features, false_positive_rate=0.01, camera_names={0: "door", 1: "hall", 2: "lift", 3: "street"}
    )


def test_a_pair_of_cameras_that_differs_gets_its_own_threshold(calibration):
    other = seen(1, shared=(0.0, 0.0, 0.0, 5.0))
    own = calibration.verdict(0.5, cameras=("street", "street"))
    assert own.threshold < calibration.threshold - 0.1
    assert own.reason is None
    assert rate_of(other, (3, 3), own.threshold) < 0.03 < 0.3 * rate_of(other, (3, 3), calibration.threshold)
    across = calibration.verdict(0.5, cameras=("door", "hall")).threshold
    assert 0.003 < rate_of(other, (0, 1), across) < 0.02
    assert calibration.verdict(0.5, cameras=("hall", "door")).threshold == across
    (row,) = (row for row in calibration.cameras["pairs"] if row["cameras"] == ["street", "street"])
    low, high = row["false_positive_rate"]
    assert 0.005 < low < high < 0.05
    assert row["pairs"] == 120 * 119
    assert row["identities"] == 120
    assert row["weight"] > 0.5


def test_the_probability_goes_with_the_threshold(calibration):
    own = calibration.verdict(0.3, prior=0.5, cameras=("street", "street"))
    shift = calibration.threshold - own.threshold
    assert own.probability == pytest.approx(float(calibration.probability(0.3 + shift, 0.5)))
    assert own.probability < calibration.verdict(0.3, prior=0.5).probability


def test_an_unknown_camera_gets_the_conservative_threshold_and_says_so(calibration):
    told = calibration.verdict(0.5, cameras=("roof", "street"))
    assert told.threshold == calibration.cameras["other"] < calibration.threshold
    assert told.reason == "camera roof was not calibrated: the conservative threshold applies"
    assert str(told).endswith(told.reason)
    both = calibration.verdict(0.5, cameras=("roof", "yard"))
    assert both.reason.startswith("cameras roof and yard were not calibrated")
    outside = calibration.verdict(0.1, cameras=("roof", "street"), outside=("the query",))
    assert outside.reason == f"{told.reason}; the query looks unlike the images of the calibration"


def test_without_differences_all_pairs_get_nearly_the_common_threshold():
    calibration = calibrate(*seen(0), false_positive_rate=0.01)
    apart = [abs(row["threshold"] - calibration.threshold) for row in calibration.cameras["pairs"]]
    assert max(apart) < 0.02
    assert calibration.cameras["names"] == ["0", "1", "2", "3"]
    assert calibration.verdict(0.5, cameras=(0, 1)).reason is None
    # Also alike cameras are only known from so many identities.
    assert calibration.cameras["other"] < calibration.threshold
    low, high = calibration.cameras["common_false_positive_rate"]
    assert low < 0.01 < high


def test_few_pairs_are_shrunk_wholly():
    query, gallery = seen(0, shared=(0.0, 0.0, 0.0, 5.0))
    few = (gallery.cameras != 3) | (gallery.identities < 5)
    query = query[(query.cameras != 3) | (query.identities < 5)]
    calibration = calibrate(query, gallery[few], false_positive_rate=0.01)
    rows = {tuple(row["cameras"]): row for row in calibration.cameras["pairs"]}
    assert rows["3", "3"]["threshold"] == calibration.threshold
    assert (rows["3", "3"]["weight"], rows["3", "3"]["false_positive_rate"]) == (0.0, None)
    assert rows["0", "1"]["false_positive_rate"] is not None


def test_of_many_pairs_those_farthest_from_the_common_threshold_are_kept(calibration, monkeypatch):
    monkeypatch.setattr("keras_reid.evaluation.calibration.cameras._MOST_KEPT", 3)
    few = calibrate(*seen(0, shared=(0.0, 0.0, 0.0, 5.0)), false_positive_rate=0.01)
    kept = [abs(row["threshold"] - few.threshold) for row in few.cameras["pairs"]]
    every = [abs(row["threshold"] - few.threshold) for row in calibration.cameras["pairs"]]
    assert sorted(kept) == sorted(every)[-3:]


def test_two_cameras_and_unknown_ones_have_no_thresholds():
    two = calibrate(*seen(0, cameras=2, shared=(0.0, 0.0)), false_positive_rate=0.01)
    assert two.cameras is None
    told = two.verdict(0.5, cameras=(0, 1))
    assert (told.threshold, told.reason) == (
        two.threshold,
        "the calibration knows no cameras: the common threshold applies",
    )
    query, gallery = (Features(part.embeddings, part.identities, None) for part in seen(0))
    assert calibrate(query, gallery, protocol="all", false_positive_rate=0.01).cameras is None


def test_what_is_kept_is_json_and_is_told(calibration, capsys):
    stored = json.loads(json.dumps(calibration.cameras))
    assert camera_threshold(stored, ("door", "street"), 0.3) == camera_threshold(
        calibration.cameras, ("door", "street"), 0.3
    )
    rows = camera_rows(calibration.cameras, calibration.threshold)
    apart = [abs(float(row[1]) - calibration.threshold) for row in rows]
    assert len(rows) == 10
    assert apart == sorted(apart, reverse=True)
    print_calibration(calibration)
    told = capsys.readouterr().out
    assert "thresholds by pair of cameras" in told
    assert f"any other camera: accept a distance below {calibration.cameras['other']:.4f}" in told
    assert len(calibration.best_matches) == 100
    assert (np.diff(calibration.best_matches) >= 0).all()


@pytest.mark.parametrize("cameras", ["ab", ("a",), ("a", "b", "c")])
def test_two_cameras_must_be_named(cameras):
    with pytest.raises(UserError, match=r"`cameras` must name two cameras, one for each image\. Received:"):
        line().verdict(0.5, cameras=cameras)
