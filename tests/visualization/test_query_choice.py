import dataclasses

import numpy as np
import pytest

from keras_reid.evaluation import RetrievalResult
from keras_reid.visualization import choose_queries

PRECISION = np.array([0.9, 1.0, 0.8, 1.0, 0.1, 0.5, 0.2, 0.6])
RESULT = RetrievalResult(np.ones(1), PRECISION, PRECISION, np.ones(8, bool))
ALONE = np.arange(8)


@pytest.mark.parametrize(
    ("counts", "chosen"),
    [
        ((2, 1, 2), ([1, 3], [7], [4, 6])),
        ((1, 0, 3), ([1], [], [4, 6, 5])),
        ((0, 3, 1), ([], [7, 2, 5], [4])),
        ((9, 0, 2), ([1, 3, 0, 2, 7, 5], [], [4, 6])),
    ],
)
def test_the_best_and_the_worst(counts, chosen):
    groups = choose_queries(RESULT, ALONE, **dict(zip(("best", "middle", "worst"), counts, strict=True)))
    assert (groups["best"], groups["middle"], groups["worst"]) == chosen


def test_other_identities_first():
    identities = np.array([0, 1, 2, 1, 3, 3, 3, 4])
    groups = choose_queries(RESULT, identities, best=2, middle=0, worst=2)
    assert groups["best"] == [1, 0]
    assert groups["worst"] == [4, 7]
    assert choose_queries(RESULT, np.zeros(8, int), best=0, middle=0, worst=2)["worst"] == [4, 6]


def test_queries_without_a_match_are_not_chosen():
    valid = np.ones(8, bool)
    valid[4] = False
    result = dataclasses.replace(RESULT, average_precision=PRECISION[valid], valid_queries=valid)
    assert choose_queries(result, ALONE, worst=1)["worst"] == [6]
