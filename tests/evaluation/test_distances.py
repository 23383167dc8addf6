import numpy as np
import pytest

from keras_reid.evaluation import Distances, Features
from tests.evaluation.reference import distance_matrix


def features(embeddings):
    return Features(embeddings, np.zeros(len(embeddings), int), None)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equals_the_definition_in_blocks_of_any_size(metric):
    rng = np.random.default_rng(0)
    query, gallery = features(rng.standard_normal((11, 6))), features(rng.standard_normal((23, 6)) + 1)
    expected = distance_matrix(query, gallery, metric)
    whole = np.asarray(Distances(query, gallery, metric))
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    for block_size in (1, 4, 100):
        starts = [start for start, _ in Distances(query, gallery, metric, block_size).blocks()]
        assert starts == list(range(0, 11, block_size))
        np.testing.assert_array_equal(np.asarray(Distances(query, gallery, metric, block_size)), whole)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_copies_are_at_zero_and_tie(metric):
    rng = np.random.default_rng(1)
    embeddings = rng.standard_normal((501, 67)).astype(np.float32) + 10
    doubled = features(np.concatenate([embeddings, embeddings]))
    distances = np.asarray(Distances(features(embeddings), doubled, metric, block_size=13))
    np.testing.assert_array_equal(distances[:, :501], distances[:, 501:])
    np.testing.assert_array_equal(np.diagonal(distances), 0)
    assert (distances[~np.eye(501, 1002, dtype=bool) & ~np.eye(501, 1002, k=501, dtype=bool)] > 0).all()


def test_euclidean_survives_a_large_offset():
    # Expanding the square in float32 would leave nothing of a distance of 1 beside a norm of 40000.
    query = features(np.full((1, 16), 1e4))
    gallery = features(np.full((1, 16), 1e4) + np.eye(1, 16))
    assert np.asarray(Distances(query, gallery, "euclidean")).item() == pytest.approx(1.0, abs=1e-6)


def test_extremes_stay_finite():
    vectors = features([[0.0, 0.0], [1e-40, 0.0], [3e38, 3e38], [-3e38, 3e38]])
    cosine = np.asarray(Distances(vectors, vectors))
    assert cosine[0].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert cosine[1, 1] == 0.0
    assert cosine[1, 2] == pytest.approx(1 - 0.5**0.5, abs=1e-6)
    assert np.isfinite(cosine).all()
    small = features([[0.0, 0.0], [1e-40, 0.0]])
    assert np.asarray(Distances(small, small, "euclidean"))[0, 1] == pytest.approx(1e-40, rel=1e-3)


def test_default_blocks_are_bounded():
    gallery = features(np.broadcast_to(np.ones((1, 1), np.float32), (2**20, 1)))
    assert Distances(gallery, gallery).block_size * len(gallery) * 4 == 256 * 2**20


def test_array_conversion():
    distances = Distances(features(np.eye(2)), features(np.eye(2)))
    assert np.asarray(distances, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="without a copy"):
        np.array(distances, copy=False)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_every_way_to_a_distance_gives_the_same_number(metric, offset):
    rng = np.random.default_rng(2)
    query, gallery = (
        features(rng.standard_normal((9, 70)) + offset),
        features(rng.standard_normal((200, 70)) + offset),
    )
    distances = Distances(query, gallery, metric)
    matrix = np.asarray(distances)
    np.testing.assert_array_equal(distances.table(np.arange(9), np.arange(200)), matrix)
    rows, columns = rng.integers(0, 9, 50), rng.integers(0, 200, 50)
    np.testing.assert_array_equal(distances.listed(rows, columns), matrix[rows, columns])
    part = distances.select(np.array([7, 2]), 30, 90)
    np.testing.assert_array_equal(np.asarray(part), matrix[[7, 2], 30:90])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_sums_at_the_boundary_of_two_numbers_are_decided_pair_by_pair(metric, monkeypatch):
    rng = np.random.default_rng(3)
    query, gallery = features(rng.standard_normal((20, 30))), features(rng.standard_normal((300, 30)))
    distances = Distances(query, gallery, metric)
    expected = np.asarray(distances)
    counted = []
    whole = Distances.listed
    monkeypatch.setattr(Distances, "listed", lambda self, r, c: counted.append(len(r)) or whole(self, r, c))
    monkeypatch.setattr("keras_reid.evaluation.distances._EPSILON", 1e-9)  # makes many of them doubtful
    np.testing.assert_array_equal(np.asarray(distances), expected)
    assert sum(counted) > 100
