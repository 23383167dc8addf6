import numpy as np
import pytest

from keras_reid.evaluation import Distances, Features, dsr_distance, evaluate
from keras_reid.utils.errors import UserError
from tests.evaluation.reference import brute_force, distance_matrix


def golden_features():
    row, column = np.arange(6)[:, None], np.arange(5)
    query = np.sin(0.7 * row + 1.3 * column) + 0.1 * row
    row = np.arange(14)[:, None]
    gallery = np.sin(0.5 * row + 1.1 * column + 0.2) + 0.05 * row
    return (
        Features(query, [0, 1, 2, 3, 0, 9], [0, 0, 1, 1, 2, 0]),
        Features(
            gallery, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 5, 5], [0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 0, 0, 1]
        ),
    )


def random_features(seed, queries=40, gallery=300, identities=15, cameras=3, dim=8, levels=None):
    """With `levels`, embeddings are small integers, so that many distances are equal."""
    rng = np.random.default_rng(seed)

    def one(n):
        embeddings = rng.integers(0, levels, (n, dim)) if levels else rng.standard_normal((n, dim))
        return Features(embeddings, rng.integers(-1, identities, n), rng.integers(0, cameras, n))

    return one(queries), one(gallery)


def test_golden_numbers_of_the_original():
    result = evaluate(*golden_features())
    assert result.valid_queries.tolist() == [True] * 5 + [False]
    assert (result.num_queries, result.num_valid_queries) == (6, 5)
    assert [result.rank1, result.rank5, result.rank10] == pytest.approx([0.0, 0.6, 1.0])
    assert result.mAP == pytest.approx(0.2160664, abs=1e-6)
    assert result.mINP == pytest.approx(0.1737995, abs=1e-6)
    assert result.average_precision == pytest.approx(
        [0.1625, 0.340909, 0.166667, 0.208333, 0.201923], abs=1e-6
    )
    assert result.inverse_negative_penalty == pytest.approx(
        [0.2, 0.181818, 0.166667, 0.166667, 0.153846], abs=1e-6
    )


@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("levels", [None, 2, 3])
@pytest.mark.parametrize("block_size", [None, 7])
def test_equals_the_definition(protocol, metric, levels, block_size):
    for seed in range(3):
        query, gallery = random_features(seed, levels=levels)
        expected = brute_force(query, gallery, distance_matrix(query, gallery, metric), protocol)
        result = evaluate(query, gallery, metric=metric, protocol=protocol, block_size=block_size)
        received = (
            result.cmc,
            result.average_precision,
            result.inverse_negative_penalty,
            result.valid_queries,
        )
        for mine, reference in zip(received, expected, strict=True):
            np.testing.assert_allclose(mine, reference, rtol=0, atol=1e-12)


def test_identical_embeddings_are_ranked_in_gallery_order():
    query = Features(np.ones((1, 4)), [1], [0])
    gallery = Features(np.ones((5, 4)), [2, 1, 1, 3, 1], [1, 0, 1, 1, 1])
    result = evaluate(query, gallery)  # the second item is junk, so the matches are at ranks 2 and 4
    assert result.average_precision == pytest.approx([(1 / 2 + 2 / 4) / 2])
    assert result.inverse_negative_penalty == pytest.approx([2 / 4])


def test_protocol_and_metric_matter():
    query, gallery = random_features(0)
    default = evaluate(query, gallery).mAP
    assert evaluate(query, gallery, protocol="all").mAP != default
    assert evaluate(query, gallery, metric="euclidean").mAP != default


def test_identity_minus_one_has_no_special_meaning():
    query, gallery = random_features(1)
    assert (query.identities == -1).any()
    shifted = [Features(f.embeddings, f.identities + 1, f.cameras) for f in (query, gallery)]
    assert evaluate(*shifted).to_dict() == evaluate(query, gallery).to_dict()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_permutations_and_blocks_change_nothing(metric):
    query, gallery = random_features(2, gallery=400, dim=33)
    expected = evaluate(query, gallery, metric=metric)
    rng = np.random.default_rng(0)

    def permuted(features, order):
        return Features(features.embeddings[order], features.identities[order], features.cameras[order])

    by_gallery = evaluate(query, permuted(gallery, rng.permutation(len(gallery))), metric=metric)
    order = rng.permutation(len(query))
    by_query = evaluate(permuted(query, order), gallery, metric=metric)
    by_blocks = evaluate(query, gallery, metric=metric, block_size=1)
    for other in (by_gallery, by_blocks):
        np.testing.assert_array_equal(other.average_precision, expected.average_precision)
        np.testing.assert_array_equal(other.cmc, expected.cmc)
    np.testing.assert_array_equal(by_query.valid_queries, expected.valid_queries[order])
    assert by_query.mAP == pytest.approx(expected.mAP, abs=1e-15)


def test_cosine_ignores_length():
    query, gallery = random_features(3)
    scaled = Features(gallery.embeddings * np.float32(2.0**60), gallery.identities, gallery.cameras)
    assert evaluate(query, scaled).to_dict() == evaluate(query, gallery).to_dict()
    assert evaluate(query, scaled, metric="euclidean").mAP != evaluate(query, gallery, metric="euclidean").mAP


def test_cmc_of_a_small_gallery():
    query = Features([[1.0, 0.0]], [1], [0])
    gallery = Features([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], [2, 3, 1], [1, 1, 1])
    result = evaluate(query, gallery)
    assert result.cmc.tolist() == [0.0, 0.0, 1.0]
    assert (result.rank1, result.rank5, result.rank10) == (0.0, 1.0, 1.0)


def test_cmc_ends_at_rank_50():
    query = Features([[1.0, 0.0]], [1], [0])
    angles = np.linspace(0, 1, 60)
    gallery = Features(np.stack([np.cos(angles), np.sin(angles)], 1), [0] * 50 + [1] * 10, [1] * 60)
    result = evaluate(query, gallery)
    assert result.cmc.shape == (50,)
    assert result.rank(50) == 0.0
    assert result.mINP == pytest.approx(10 / 60)


def test_to_dict_is_plain():
    values = evaluate(*golden_features()).to_dict()
    assert list(values) == ["rank1", "rank5", "rank10", "mAP", "mINP", "num_queries", "num_valid_queries"]
    assert {type(value) for value in values.values()} == {int, float}


@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
@pytest.mark.parametrize("options", [{}, {"block_size": 3}, {"memory": 2**26}])
def test_dsr_is_a_metric(protocol, options):
    rng = np.random.default_rng(0)
    query, gallery = (
        Features(one.embeddings, one.identities, one.cameras, maps=rng.standard_normal((len(one), 3, 2, 5)))
        for one in random_features(4, queries=12, gallery=40, identities=4)
    )
    matrix = np.asarray(dsr_distance(query, gallery))
    result = evaluate(query, gallery, "dsr", protocol=protocol, roc=True, **options)
    _, ap, inp, _ = brute_force(query, gallery, matrix, protocol)
    np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.inverse_negative_penalty, inp, rtol=0, atol=1e-12)
    expected = evaluate(query, gallery, protocol=protocol, roc=True, distances=matrix)
    assert result.to_dict() == expected.to_dict()
    assert result.mAP != evaluate(query, gallery, protocol=protocol).mAP


class OneByOne:
    def __init__(self, matrix):
        self.matrix = matrix

    def blocks(self):
        for start in range(len(self.matrix)):
            yield start, self.matrix[start : start + 1]


def test_takes_other_distances():
    query, gallery = golden_features()
    matrix = np.asarray(Distances(query, gallery))
    matrix.flags.writeable = False
    expected = evaluate(query, gallery)
    for distances in (matrix, OneByOne(matrix), Distances(query, gallery, block_size=4)):
        assert evaluate(query, gallery, distances=distances).to_dict() == expected.to_dict()
    assert evaluate(query, gallery, distances=-matrix).mAP != expected.mAP


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m[:, :-1], "a column for each of 14 gallery items.*shape"),
        (lambda m: m[:-1], "must cover all 6 queries. Received: 5 rows"),
        (lambda m: np.where(np.eye(6, 14) > 0, np.nan, m), "NaN or infinity in the row of query 0"),
    ],
)
def test_refuses_broken_distances(change, message):
    query, gallery = golden_features()
    with pytest.raises(UserError, match=message):
        evaluate(query, gallery, distances=change(np.asarray(Distances(query, gallery))))


def test_refuses_in_words():
    query, gallery = golden_features()
    empty = Features(np.empty((0, 5)), [], [])
    with pytest.raises(UserError, match="the gallery is empty"):
        evaluate(query, empty)
    with pytest.raises(UserError, match="the query is empty"):
        evaluate(empty, gallery)
    with pytest.raises(UserError, match="embeddings of 5 and of 6 numbers"):
        evaluate(query, Features(np.ones((2, 6)), [0, 1], [0, 1]))
    with pytest.raises(UserError, match="`metric` must be one of cosine, euclidean, dsr"):
        evaluate(query, gallery, metric="manhattan")
    with pytest.raises(UserError, match="DSR needs feature maps"):
        evaluate(query, gallery, metric="dsr")
    with pytest.raises(UserError, match="`protocol` must be one of cross_camera, all"):
        evaluate(query, gallery, protocol="single")
    for roc in (False, True):
        with pytest.raises(UserError, match="`block_size` must be a positive"):
            evaluate(query, gallery, roc=roc, block_size=0)
    with pytest.raises(UserError, match="needs the cameras"):
        evaluate(query, Features(gallery.embeddings, gallery.identities, None))


def test_says_why_no_query_has_a_match():
    query, gallery = golden_features()
    one_camera = [Features(f.embeddings, f.identities, np.full(len(f), -1)) for f in (query, gallery)]
    with pytest.raises(UserError, match=r'own camera\. Use protocol="all"'):
        evaluate(*one_camera)
    assert evaluate(*one_camera, protocol="all").num_valid_queries == 5
    with pytest.raises(UserError, match="share no identity"):
        evaluate(query, Features(gallery.embeddings, gallery.identities + 100, gallery.cameras))
