import numpy as np
import pytest

from keras_reid.evaluation import Distances, Features, evaluate, k_reciprocal_rerank
from keras_reid.evaluation.rerank import neighbor_lists as search
from keras_reid.evaluation.rerank import reciprocal_weights as weights
from keras_reid.evaluation.rerank.points import Points
from keras_reid.utils.errors import UserError
from tests.evaluation.rerank.reference import neighbor_lists_by_definition


def clustered(seed, n, dim=8, identities=12, noise=0.6):
    """Images in clusters of uneven size, so that lists overlap in every way."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, identities, n) * rng.integers(0, 2, n)
    centres = np.random.default_rng(0).standard_normal((identities, dim))
    embeddings = centres[labels] + noise * rng.standard_normal((n, dim))
    return Features(embeddings, labels, rng.integers(0, 4, n))


def dense(query, gallery, k1, k2, lambda_value, metric):
    """By definition: sets, an N × N matrix, float64, an image at a time."""
    points = np.concatenate([query.embeddings, gallery.embeddings]).astype(np.float64)
    if metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    squares = ((points[:, None] - points) ** 2).sum(axis=2)
    relative = squares / squares.max(axis=1, keepdims=True)
    ranking = np.argsort(squares, axis=1, kind="stable")

    def reciprocals(k):
        nearest = [set(row[:k].tolist()) for row in ranking]
        return [{j for j in own if i in nearest[j]} for i, own in enumerate(nearest)]

    whole, half = reciprocals(k1 + 1), reciprocals(round(k1 / 2) + 1)
    v = np.zeros_like(squares)
    for i in range(len(points)):
        own = whole[i]
        members = set(own)
        for theirs in (half[j] for j in own):
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        members = sorted(members)
        v[i, members] = np.exp(-relative[i, members])
        v[i] /= v[i].sum()
    v = np.stack([v[ranking[i, :k2]].mean(axis=0) for i in range(len(points))])
    n = len(query)
    shared = np.array([[np.minimum(a, b).sum() for b in v[n:]] for a in v[:n]])
    return (1 - lambda_value) * (1 - shared / (2 - shared)) + lambda_value * relative[:n, n:]


def test_golden_values():
    i, j = np.arange(14)[:, None], np.arange(5)
    query = np.sin(0.7 * i[:6] + 1.3 * j) + 0.1 * i[:6]
    gallery = np.sin(0.5 * i + 1.1 * j + 0.2) + 0.05 * i
    query, gallery = (Features(x, np.zeros(len(x), int), None) for x in (query, gallery))
    expected = "0.00593 .20131 .23532 .50217 .76495 .92897 1 .99407 .96198 .89628 .80018 .6631 .53239 .34105"
    actual = np.asarray(k_reciprocal_rerank(query, gallery, k1=6, k2=3, lambda_value=0.3))
    np.testing.assert_allclose(actual[0], [float(x) for x in expected.split()], atol=6e-6)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    ("k1", "k2", "lambda_value"),
    [(20, 6, 0.3), (20, 1, 0.0), (5, 2, 0.5), (6, 9, 0.3), (1, 1, 0.1), (200, 300, 0.3), (20, 6, 1.0)],
)
def test_equals_the_dense_definition(metric, k1, k2, lambda_value):
    query, gallery = clustered(1, 30), clustered(2, 90)
    actual = np.asarray(k_reciprocal_rerank(query, gallery, k1, k2, lambda_value, metric))
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, dense(query, gallery, k1, k2, lambda_value, metric), atol=1e-6)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kept", [0, 2**20], ids=["computed anew", "kept"])
def test_searching_in_many_tiles_changes_nothing(metric, kept, monkeypatch):
    query, gallery = clustered(3, 40), clustered(4, 260)
    expected = np.asarray(k_reciprocal_rerank(query, gallery, 8, 3, metric=metric))
    monkeypatch.setattr(search, "_TILE", 16)
    monkeypatch.setattr(weights, "_NUMBERS_A_TURN", 5000)
    monkeypatch.setattr("keras_reid.evaluation.rerank.k_reciprocal._KEPT_BYTES", kept)
    monkeypatch.setattr("keras_reid.evaluation.rerank.overlap._NUMBERS_A_TURN", 700)
    monkeypatch.setattr("keras_reid.evaluation.rerank.k_reciprocal._TURN_BYTES", 9000)
    actual = np.asarray(k_reciprocal_rerank(query, gallery, 8, 3, metric=metric))
    np.testing.assert_allclose(actual, expected, atol=2e-7)


def test_neighbours_are_those_of_a_full_sort(monkeypatch):
    monkeypatch.setattr(search, "_TILE", 16)
    # Few levels: many exact ties, which go by position.
    embeddings = np.random.default_rng(5).integers(0, 3, (300, 3)).astype(np.float32)
    features = Features(embeddings, np.zeros(300, int), None)
    lists = search.neighbor_lists(Points.of(features, Features(embeddings[:0], [], None), "euclidean"), 7)
    order, squares, largest = neighbor_lists_by_definition(embeddings, 12)
    np.testing.assert_allclose(lists.largest / lists.largest.max(), largest / largest.max(), rtol=1e-6)
    scale = largest.max() / lists.largest.max()  # the points are scaled by a power of two
    np.testing.assert_allclose(lists.squares * scale, squares[:, :7], atol=1e-5)
    # Of more than four that are as far as the last, any may be in the list; but for that, it is in order.
    order, clear = order[:, :7], squares[:, 6] < squares[:, 11]
    assert 20 < clear.sum() < 300
    np.testing.assert_array_equal(lists.indices[clear], order[clear])
    inner = np.where(lists.squares < lists.squares[:, -1:], lists.indices, -1)
    np.testing.assert_array_equal(inner, np.where(lists.squares < lists.squares[:, -1:], order, -1))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_ties_of_different_vectors_go_by_position(metric):
    """Vectors all as far from the first, whose mean is no float32 and whose lengths are no whole numbers."""
    steps = np.array([[5.0, 3], [3, 5], [-5, 3], [-3, 5], [5, -3], [3, -5], [-5, -3], [-3, -5]])
    around = np.concatenate([np.full((8, 1), 10.0), steps], axis=1)
    far = np.array([[-97.0, 31, 5], [-91, 13, 8], [-83, 3, 11]])
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(8)
        points = np.concatenate([[[10.0, 0, 0]], around[order], far]).astype(np.float32)
        query, gallery = (Features(part, np.zeros(len(part), int), None) for part in (points[:3], points[3:]))
        lists = search.neighbor_lists(Points.of(query, gallery, metric), 9)
        assert lists.indices[0].tolist() == list(range(9))
        distances = Distances(query, gallery, metric)
        assert len(np.unique(np.asarray(distances)[0, :6])) == 1


def test_lambda_1_keeps_the_original_ranking():
    query, gallery = clustered(6, 50), clustered(7, 400)
    for metric in ("cosine", "euclidean"):
        reranked = k_reciprocal_rerank(query, gallery, lambda_value=1, metric=metric)
        original = np.asarray(Distances(query, gallery, metric))
        np.testing.assert_array_equal(
            np.argsort(np.asarray(reranked), axis=1, kind="stable"),
            np.argsort(original, axis=1, kind="stable"),
        )
        with_it, without = evaluate(query, gallery, distances=reranked), evaluate(query, gallery, metric)
        assert with_it.to_dict() == without.to_dict()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_order_of_query_and_gallery_does_not_matter(metric):
    query, gallery = clustered(8, 40), clustered(9, 200)
    expected = np.asarray(k_reciprocal_rerank(query, gallery, 10, 4, metric=metric))
    rows, columns = np.random.default_rng(0).permutation(40), np.random.default_rng(1).permutation(200)
    permuted = [
        Features(x.embeddings[order], x.identities[order], x.cameras[order])
        for x, order in ((query, rows), (gallery, columns))
    ]
    actual = np.asarray(k_reciprocal_rerank(*permuted, 10, 4, metric=metric))
    np.testing.assert_allclose(actual, expected[rows][:, columns], atol=5e-7)


@pytest.mark.parametrize("kept", [0, 2**20], ids=["computed anew", "kept"])
def test_blocks_of_any_size_give_the_same(kept, monkeypatch):
    query, gallery = clustered(10, 23), clustered(11, 70)
    monkeypatch.setattr("keras_reid.evaluation.rerank.k_reciprocal._KEPT_BYTES", kept)
    monkeypatch.setattr("keras_reid.evaluation.rerank.k_reciprocal._TURN_BYTES", 5 * 4 * 70)
    for block_size in (1, 4, 7, 100):
        distances = k_reciprocal_rerank(query, gallery, block_size=block_size)
        starts, blocks = zip(*((start, block.copy()) for start, block in distances.blocks()), strict=True)
        assert list(starts) == list(range(0, 23, block_size))
        np.testing.assert_array_equal(np.concatenate(blocks), np.asarray(distances))


def test_it_helps_where_neighbours_are_shared():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 32))

    def images(count):
        labels = np.repeat(np.arange(60), count)
        return Features(centres[labels] + 1.4 * rng.standard_normal((60 * count, 32)), labels, None)

    query, gallery = images(2), images(10)
    before = evaluate(query, gallery, protocol="all")
    after = evaluate(
        query, gallery, protocol="all", distances=k_reciprocal_rerank(query, gallery, k1=10, k2=4)
    )
    assert after.mAP > before.mAP + 0.05


def test_the_unit_does_not_matter_but_euclidean_lengths_do():
    query, gallery = clustered(12, 10), clustered(13, 50)

    def scaled(x, factor):
        return Features(x.embeddings * factor, x.identities, x.cameras)

    for metric in ("cosine", "euclidean"):
        expected = np.asarray(k_reciprocal_rerank(query, gallery, metric=metric))
        for factor in (1e15, 1e-15):
            actual = k_reciprocal_rerank(
                *(scaled(x, np.float32(factor)) for x in (query, gallery)), metric=metric
            )
            np.testing.assert_allclose(np.asarray(actual), expected, atol=1e-6)
    lengths = np.linspace(1, 3, 50)[:, None]
    longer = scaled(gallery, lengths)
    cosine, euclidean = (
        [np.asarray(k_reciprocal_rerank(query, g, metric=metric)) for g in (gallery, longer)]
        for metric in ("cosine", "euclidean")
    )
    np.testing.assert_allclose(*cosine, atol=1e-6)
    assert np.abs(euclidean[0] - euclidean[1]).max() > 0.01


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_collapsed_embeddings_stay_finite(metric, monkeypatch):
    monkeypatch.setattr(search, "_TILE", 16)
    for value in (1.0, 0.0):
        same = Features(np.full((100, 4), value), np.zeros(100, int), None)
        matrix = np.asarray(k_reciprocal_rerank(same, same, metric=metric))
        assert np.isfinite(matrix).all()
        assert (matrix >= 0).all()
        assert (matrix <= 1 + 1e-6).all()


def test_one_query_and_one_gallery_image():
    one, other = (Features([x], [0], None) for x in ([1.0, 0.0], [0.0, 1.0]))
    assert np.asarray(k_reciprocal_rerank(one, other)).shape == (1, 1)
    assert np.asarray(k_reciprocal_rerank(one, one)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, r"`k1` must be a whole number, at least 1\. Received: k1=0"),
        ({"k1": 2.5}, r"Received: k1=2\.5"),
        ({"k2": -1}, r"Received: k2=-1"),
        ({"lambda_value": 1.5}, r"from 0 to 1\. Received: lambda_value=1\.5"),
        ({"lambda_value": float("nan")}, r"Received: lambda_value=nan"),
        ({"metric": "manhattan"}, r"`metric` must be"),
    ],
)
def test_bad_options_are_named(options, message):
    one = Features([[1.0]], [0], None)
    with pytest.raises(UserError, match=message):
        k_reciprocal_rerank(one, one, **options)


def test_bad_features_are_named():
    one, wide, none = (
        Features([[1.0]], [0], None),
        Features([[1.0, 2.0]], [0], None),
        Features(np.ones((0, 1)), [], None),
    )
    with pytest.raises(UserError, match="embeddings of 1 and of 2 numbers"):
        k_reciprocal_rerank(one, wide)
    with pytest.raises(UserError, match="the gallery is empty"):
        k_reciprocal_rerank(one, none)


def test_array_conversion():
    one = Features([[1.0]], [0], None)
    assert np.asarray(k_reciprocal_rerank(one, one), np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="without a copy"):
        np.array(k_reciprocal_rerank(one, one), copy=False)
