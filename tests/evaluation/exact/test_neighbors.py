import numpy as np
import pytest

from keras_reid.evaluation import Features, nearest
from keras_reid.utils.errors import UserError
from tests.evaluation.exact.reference import nearest_by_definition
from tests.evaluation.test_retrieval_metrics import random_features


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
@pytest.mark.parametrize("levels", [None, 2])
def test_equals_a_full_stable_sort(metric, protocol, levels):
    query, gallery = random_features(0, levels=levels)
    indices, values = nearest(query, gallery, k=12, metric=metric, protocol=protocol, block_size=9)
    expected, distances = nearest_by_definition(query, gallery, 12, metric, protocol)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(values, distances)


def test_pads_where_junk_leaves_too_few():
    query = Features([[1.0, 0.0]], [1], [0])
    gallery = Features([[1.0, 0.0], [0.0, 1.0]], [1, 2], [0, 0])
    indices, values = nearest(query, gallery, k=5)
    assert indices.tolist() == [[1, -1]]
    assert values.tolist() == [[1.0, np.inf]]
    assert nearest(query, gallery, k=5, protocol="all")[0].tolist() == [[0, 1]]


def test_k_must_be_positive():
    query, gallery = random_features(0)
    with pytest.raises(UserError, match=r"`k` must be at least 1\. Received: k=0"):
        nearest(query, gallery, k=0)
