import numpy as np
import pytest

from keras_reid.evaluation import jaccard_neighbors
from keras_reid.utils.errors import UserError
from tests.evaluation.rerank.test_k_reciprocal import clustered, dense


def as_dense(rows):
    size = len(rows.counts)
    matrix = np.full((size, size), np.inf)
    matrix[np.repeat(np.arange(size), rows.counts), rows.columns] = rows.values
    return matrix


def by_definition(features, k1, k2):
    # `dense` compares a query with a gallery, and takes both together as the set: so each image is once the query.
    size = len(features)
    expected = np.zeros((size, size))
    for i in range(size):
        order = np.r_[i, np.delete(np.arange(size), i)]
        expected[i, order[1:]] = dense(features[order[:1]], features[order[1:]], k1, k2, 0.0, "cosine")[0]
    return expected


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (5, 2), (6, 1), (200, 3)])
def test_equals_the_dense_definition(k1, k2):
    features = clustered(1, 40)
    expected = by_definition(features, k1, k2)
    for radius in (0.3, 0.6):
        found = as_dense(jaccard_neighbors(features.embeddings, radius, k1, k2))
        surely = expected <= radius - 1e-6
        np.testing.assert_allclose(found[surely], expected[surely], atol=1e-6)
        assert np.isinf(found[expected > radius + 1e-6]).all()


def test_rows_hold_the_image_itself_and_grow():
    rows = jaccard_neighbors(clustered(2, 90).embeddings, 0.9, 8, 3)
    for row in range(90):
        values = rows.values[rows.starts[row] : rows.starts[row + 1]]
        assert row in rows.columns[rows.starts[row] :][: (values == 0).sum()]
        assert (np.diff(values) >= 0).all()
    matrix = as_dense(rows)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)


def test_turns_and_order_change_nothing(monkeypatch):
    features = clustered(3, 120)
    expected = as_dense(jaccard_neighbors(features.embeddings, 0.7, 8, 3))
    order = np.random.default_rng(0).permutation(120)
    shuffled = as_dense(jaccard_neighbors(features.embeddings[order], 0.7, 8, 3))
    np.testing.assert_allclose(shuffled, expected[order][:, order], atol=1e-6)
    monkeypatch.setattr("keras_reid.evaluation.rerank.overlap._NUMBERS_A_TURN", 700)
    np.testing.assert_array_equal(as_dense(jaccard_neighbors(features.embeddings, 0.7, 8, 3)), expected)


def test_copies_of_an_image_are_near():
    rows = jaccard_neighbors(np.array([[1.0, 2], [1, 2], [-2, 1]]), 0.5, 1, 1)
    np.testing.assert_allclose(as_dense(rows)[:2, :2], 0, atol=1e-6)
    assert (np.diag(as_dense(rows)) == 0).all()
    assert rows.counts.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, "`k1` must be a whole number, at least 1"),
        ({"k2": 1.5}, "`k2` must be a whole number, at least 1"),
        ({"radius": 1.0}, "`radius`, a Jaccard distance, must be 0 or more and below 1"),
        ({"radius": -0.1}, "`radius`, a Jaccard distance"),
        ({"embeddings": np.zeros((0, 3))}, "`embeddings` must hold at least one"),
        ({"embeddings": np.full((2, 3), np.nan)}, "NaN"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        jaccard_neighbors(**{"embeddings": np.eye(3), "radius": 0.5, **options})
