"""The fast path against a full stable sort of exact distances, on ordinary and on nasty embeddings."""

import numpy as np
import pytest

from keras_reid.embedding import l2_normalize
from keras_reid.evaluation import Distances, Features, evaluate, nearest
from keras_reid.evaluation.exact import estimates
from keras_reid.evaluation.exact.counting import BlockCounter
from keras_reid.evaluation.exact.estimates import BOUNDS, Estimates, InexactScores
from keras_reid.evaluation.exact.match_ranks import Ranking
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.evaluation.retrieval_metrics import rank_matches
from keras_reid.utils.errors import UserError
from tests.evaluation.exact.reference import counts_by_definition, ranks_by_definition
from tests.evaluation.reference import brute_force
from tests.evaluation.test_retrieval_metrics import random_features

RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal((900, 16))
NASTY = {
    "alike": np.ones((900, 16)),
    "zeros": np.zeros((900, 16)),
    "nearly alike": 1 + 1e-6 * NORMAL,
    "three distinct": NORMAL[RNG.integers(0, 3, 900)],
    "quantised": RNG.integers(0, 2, (900, 16)),
    "huge": NORMAL * 1e37,
    "tiny": NORMAL * 1e-40,
    "all lengths": NORMAL * 10.0 ** RNG.integers(-40, 37, (900, 1)),
    "below the smallest normal number": RNG.integers(0, 3, (900, 16)) * 2.0**-149,
    "far from the origin": NORMAL + 1e4,
    "positive": np.abs(RNG.standard_normal((900, 700))),
}


def labelled(embeddings, identities=5):
    rng = np.random.default_rng(1)
    n = len(embeddings)
    return Features(embeddings, rng.integers(0, identities, n), rng.integers(0, 3, n))


def fast_ranks(query, gallery, metric, protocol, bound=None, **options):
    distances, truth = Distances(query, gallery, metric), GroundTruth(query, gallery, protocol)
    listed = truth.listed(distances)
    bounds = BOUNDS if bound is None else (bound,)
    for bound in bounds:
        ranking = Ranking(Estimates(distances, bound=bound, **options), truth, listed)
        try:
            return ranking.ranks(), ranking
        except InexactScores:
            if bound == bounds[-1]:
                raise


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("name", NASTY)
def test_nasty_embeddings_are_ranked_exactly(name, metric):
    gallery = labelled(NASTY[name])
    query = gallery[:60]
    expected = ranks_by_definition(query, gallery, metric, "all")
    np.testing.assert_array_equal(fast_ranks(query, gallery, metric, "all")[0], expected)
    np.testing.assert_array_equal(fast_ranks(query, gallery, metric, "all", bound=np.inf)[0], expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
@pytest.mark.parametrize("identities", [3, 40, 1000])
def test_many_and_few_matches(metric, protocol, identities):
    query, gallery = random_features(3, queries=70, gallery=2500, identities=identities, dim=40)
    expected = ranks_by_definition(query, gallery, metric, protocol)
    np.testing.assert_array_equal(fast_ranks(query, gallery, metric, protocol)[0], expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_parts_of_the_gallery_change_nothing(metric, monkeypatch):
    monkeypatch.setattr(estimates, "LEAST_MEMORY", 1)
    query, gallery = random_features(4, queries=30, gallery=700, levels=3, dim=5)
    for memory in (4_000, 40_000):
        ranks, ranking = fast_ranks(query, gallery, metric, "cross_camera", memory=memory)
        assert len(list(ranking.estimates.parts())) > 1
        np.testing.assert_array_equal(ranks, ranks_by_definition(query, gallery, metric, "cross_camera"))
        for k in (1, 30, 700):
            for one, other in zip(
                nearest(query, gallery, k, metric, memory=memory),
                nearest(query, gallery, k, metric),
                strict=True,
            ):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_matrix_product_that_errs_more_than_reckoned_is_noticed_and_not_trusted(metric, monkeypatch):
    """A product off by 1e-5 is within what is proven of 600 dimensions (3.6e-5), and far from what is ever seen."""
    query, gallery = random_features(5, dim=600)
    # Unit lengths: else Euclidean scores are scaled, and most lengths are below 1.
    query, gallery = (
        Features(l2_normalize(one.embeddings), one.identities, one.cameras) for one in (query, gallery)
    )
    gallery.embeddings[1::2] = gallery.embeddings[::2] + np.float32(
        1e-6
    )  # whose order such a product confuses
    expected = ranks_by_definition(query, gallery, metric, "all")
    neighbors = nearest(query, gallery, 3, metric)
    exact, tried = estimates.Part.blocks, []

    def blocks(part):
        tried.append(part.estimates.factor)
        rng = np.random.default_rng(0)
        for start, scores in exact(part):
            yield start, scores + rng.uniform(-1e-5, 1e-5, scores.shape).astype(np.float32)

    monkeypatch.setattr(estimates.Part, "blocks", blocks)
    for bound in BOUNDS[:-1]:
        with pytest.raises(InexactScores):
            fast_ranks(query, gallery, metric, "all", bound=bound)
    truth = GroundTruth(query, gallery, "all")
    np.testing.assert_array_equal(rank_matches(query, gallery, metric, truth)[1], expected)
    for one, other in zip(nearest(query, gallery, 3, metric), neighbors, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(set(tried)) == len(BOUNDS)


@pytest.mark.parametrize("dim", [64, 2048])
def test_scores_err_far_less_than_the_bound_says(dim):
    rng = np.random.default_rng(0)
    gallery = labelled(
        np.concatenate([rng.standard_normal((500, dim)), 1 + 0.01 * rng.standard_normal((500, dim))])
    )
    distances = Distances(gallery[::5], gallery)
    ((part,),) = [list(Estimates(distances).parts())]
    ((_, scores),) = [(start, block.copy()) for start, block in part.blocks()]
    errors = np.abs(scores - (1 - np.asarray(distances, np.float64)))
    assert errors.max() < BOUNDS[0] * 2.0**-24 / 2


def test_close_calls_are_few_and_decided():
    query, gallery = random_features(6, queries=40, gallery=4000, identities=40, dim=256)
    ranks, ranking = fast_ranks(query, gallery, "cosine", "all")
    assert 0 < ranking.verified < 40 * 200
    np.testing.assert_array_equal(ranks, ranks_by_definition(query, gallery, "cosine", "all"))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_parts_of_very_different_lengths(metric, monkeypatch):
    """A match in one part may be thousands of lengths of another part away."""
    monkeypatch.setattr(estimates, "LEAST_MEMORY", 1)
    query, gallery = random_features(8, queries=20, gallery=400, identities=4, dim=6)
    lengths = np.repeat([1.0, 1e3, 1e-3, 1e6], 100)[:, None]
    gallery = Features(gallery.embeddings * lengths, gallery.identities, gallery.cameras)
    for protocol in ("cross_camera", "all"):
        ranks, ranking = fast_ranks(query, gallery, metric, protocol, memory=8_000)
        assert len(list(ranking.estimates.parts())) > 3
        np.testing.assert_array_equal(ranks, ranks_by_definition(query, gallery, metric, protocol))
        found, _ = nearest(query, gallery, 9, metric, protocol, memory=8_000)
        np.testing.assert_array_equal(found, nearest(query, gallery, 9, metric, protocol)[0])


@pytest.mark.parametrize("seed", range(20))
def test_any_small_set_is_ranked_as_by_a_stable_sort(seed, monkeypatch):
    """Copies, ties, absent identities and cameras, in parts and blocks of any size."""
    rng = np.random.default_rng(seed)
    query, gallery = random_features(
        seed,
        queries=int(rng.integers(1, 25)),
        gallery=int(rng.integers(1, 120)),
        identities=int(rng.integers(1, 30)),
        cameras=int(rng.integers(1, 4)),
        dim=int(rng.integers(1, 12)),
        levels=int(rng.integers(2, 5)),
    )
    for metric in ("cosine", "euclidean"):
        matrix = np.asarray(Distances(query, gallery, metric))
        for protocol in ("cross_camera", "all"):
            expected = ranks_by_definition(query, gallery, metric, protocol)
            for block_size, width in ((None, 9999), (1, 40), (3, 17), (int(rng.integers(1, 25)), 60)):
                monkeypatch.setattr(Estimates, "_width", lambda self, memory, width=width: width)
                ranks, _ = fast_ranks(query, gallery, metric, protocol, block_size=block_size)
                np.testing.assert_array_equal(ranks, expected)
            if len(expected):
                result = evaluate(query, gallery, metric, protocol=protocol, block_size=2)
                _, ap, inp, valid = brute_force(query, gallery, matrix, protocol)
                np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-12)
                np.testing.assert_allclose(result.inverse_negative_penalty, inp, rtol=0, atol=1e-12)
                np.testing.assert_array_equal(result.valid_queries, valid)


def test_a_query_is_not_its_own_match_where_it_is_the_gallery():
    features, _ = random_features(7, queries=80, identities=6)
    result = evaluate(features, features, protocol="all")
    pairs = Distances(features, features)
    matrix = np.asarray(pairs)
    np.fill_diagonal(matrix, np.inf)
    best = matrix.argsort(axis=1, kind="stable")
    right = features.identities[best] == features.identities[:, None]
    for k in (1, 4, 60):  # Recall@K, also beyond the 50 ranks of the curve
        assert result.rank(k) == pytest.approx(right[:, :k].any(axis=1).mean())
    indices, _ = nearest(features, features, k=79, protocol="all")
    np.testing.assert_array_equal(indices, best[:, :79])


@pytest.mark.parametrize("width", [50, 3000])
@pytest.mark.parametrize("spread", [1e-6, 0.3])
def test_the_counter_counts(width, spread):
    rng = np.random.default_rng(2)
    scores = (spread * rng.standard_normal((12, width))).astype(np.float32)
    counts = rng.integers(0, 9, 12)
    offsets = np.append(0, np.cumsum(counts))
    centers = np.concatenate([np.sort(spread * rng.standard_normal(k))[::-1] for k in counts])
    low, high = ((centers + sign * spread / 50).astype(np.float32) for sign in (-1, 1))
    counter = BlockCounter(scores, offsets, low, high, limit=width)
    assert not counter.crowded.any()
    found = {
        (int(r), int(c)) for rows, columns in counter.doubtful for r, c in zip(rows, columns, strict=True)
    }
    above, doubtful = counts_by_definition(scores, offsets, low, high)
    np.testing.assert_array_equal(counter.above, above)
    assert found == doubtful


def test_the_counter_gives_a_crowded_row_up():
    scores = np.zeros((2, 1000), np.float32)
    scores[1] = np.linspace(-1, 1, 1000)
    bounds = np.full(2, -0.01, np.float32), np.full(2, 0.01, np.float32)
    counter = BlockCounter(scores, np.array([0, 1, 2]), *bounds, limit=64)
    assert counter.crowded.tolist() == [True, False]


def test_memory_must_hold_something():
    query, gallery = random_features(0)
    with pytest.raises(UserError, match=r"`memory` must be at least 67108864 bytes.*Received: 5"):
        evaluate(query, gallery, memory=5)
