import math
import statistics

import numpy as np
import pytest

from keras_reid.evaluation import DriftAlarm
from keras_reid.utils.errors import UserError


def scores(seed, count, shift=0.0):
    return np.random.default_rng(seed).gamma(4, 0.05, count) + shift


def test_no_alarm_on_the_same_distribution_and_soon_one_on_another():
    for seed in range(1, 6):
        alarm = DriftAlarm(scores(0, 500))
        assert alarm.add(scores(seed, 3000)) is None
        assert alarm.seen == 3000
        found = alarm.add(scores(seed + 10, 200, 0.15))
        assert found.direction == "higher"
        assert 3000 < found.query < 3200
        assert alarm.add(scores(seed, 100)) == found  # it stays


def test_lower_scores_and_one_at_a_time():
    whole, single = DriftAlarm(scores(0, 500)), DriftAlarm(np.flip(scores(0, 500)))
    new = scores(1, 300, -0.12)
    found = whole.add(new)
    assert found.direction == "lower"
    told = [single.add(score) for score in new]
    assert told.index(found) == found.query - 1
    assert told[found.query - 2] is None


def test_the_golden_sums():
    # Of 20 equal references a higher score ranks at 20.5 / 21, a tie at 10.5 / 21 = 1/2: no shift at all.
    alarm = DriftAlarm([1.0] * 20, allowance=0.5, limit=3.0)
    assert alarm.add([1.0] * 1000) is None
    rank = statistics.NormalDist().inv_cdf(20.5 / 21)
    needed = math.floor(3.0 / (rank - 0.5)) + 1
    assert alarm.add([2.0] * 10).query == 1000 + needed


def test_what_the_options_change():
    new = scores(1, 400, 0.06)
    found = [
        DriftAlarm(scores(0, 500), **options).add(new)
        for options in ({"allowance": 0.1}, {"allowance": 0.1, "limit": 60.0}, {"allowance": 2.0})
    ]
    assert found[0].query < found[1].query
    assert found[2] is None


@pytest.mark.parametrize(
    ("reference", "options", "message"),
    [
        ([0.1] * 19, {}, "at least 20 scores as a reference. Received: 19"),
        ([0.1] * 20 + [math.nan], {}, "must be finite"),
        ([0.1] * 20, {"limit": 0}, "`limit` of a drift alarm must be positive. Received: 0"),
        ([0.1] * 20, {"allowance": -1}, "`allowance` of a drift alarm must be positive. Received: -1"),
    ],
)
def test_what_is_refused(reference, options, message):
    with pytest.raises(UserError, match=message):
        DriftAlarm(reference, **options)
    with pytest.raises(UserError, match="must be finite"):
        DriftAlarm([0.1] * 20).add(math.inf)
