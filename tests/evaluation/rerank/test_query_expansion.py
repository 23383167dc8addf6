import importlib

import numpy as np
import pytest

from keras_reid.embedding import l2_normalize
from keras_reid.evaluation import Features, alpha_query_expansion, evaluate
from keras_reid.evaluation.rerank import neighbor_lists as search
from keras_reid.evaluation.rerank import query_expansion
from keras_reid.utils.errors import UserError

# The package hands on the function of this name.
module = importlib.import_module("keras_reid.evaluation.rerank.query_expansion")


def features(embeddings):
    return Features(embeddings, np.arange(len(embeddings)), None)


def random_features(seed, n, dim=6):
    return features(np.random.default_rng(seed).standard_normal((n, dim)))


def similarities(a, b):
    a, b = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a.astype(np.float64), b.astype(np.float64))
    )
    return a @ b.T


def by_definition(query, gallery, k, alpha, times):
    images = np.concatenate([query.embeddings, gallery.embeddings]).astype(np.float64)
    for _ in range(times):
        s = similarities(images, images)
        best = np.argsort(-s, axis=1, kind="stable")[:, :k]
        weights = np.maximum(np.take_along_axis(s, best, axis=1), 0) ** alpha
        images = np.stack([(w[:, None] * images[b]).mean(axis=0) for w, b in zip(weights, best, strict=True)])
    return images[: len(query)], images[len(query) :]


def test_golden_values():
    i, j = np.arange(14)[:, None], np.arange(5)
    query = features(np.sin(0.7 * i[:6] + 1.3 * j) + 0.1 * i[:6])
    gallery = features(np.sin(0.5 * i + 1.1 * j + 0.2) + 0.05 * i)
    query, gallery = alpha_query_expansion(query, gallery, k=5, alpha=3, times=1)
    np.testing.assert_allclose(
        query.embeddings[0], [0.262296, 0.648681, 0.251275, -0.430762, -0.537834], atol=1e-6
    )
    np.testing.assert_allclose(
        gallery.embeddings[0], [0.287484, 0.795736, 0.502275, -0.242524, -0.545031], atol=1e-6
    )


@pytest.mark.parametrize("k", [1, 3, 100])
def test_query_expansion_is_the_mean_with_the_best(k, monkeypatch):
    monkeypatch.setattr(module, "_TURN_BYTES", 200)
    query, gallery = random_features(0, 12), random_features(1, 30)
    best = np.argsort(-similarities(query.embeddings, gallery.embeddings), axis=1)[:, :k]
    expected = [
        np.concatenate([[q], gallery.embeddings[b]]).mean(axis=0)
        for q, b in zip(query.embeddings, best, strict=True)
    ]
    result = query_expansion(query, gallery, k)
    np.testing.assert_allclose(result.embeddings, expected, atol=1e-6)
    assert result.identities is query.identities


@pytest.mark.parametrize(
    ("k", "alpha", "times"), [(5, 3.0, 1), (5, 0.5, 1), (4, 0, 1), (3, 2, 3), (1, 1, 1), (99, 3, 1)]
)
def test_alpha_query_expansion_equals_the_definition(k, alpha, times, monkeypatch):
    monkeypatch.setattr(search, "_TILE", 16)
    monkeypatch.setattr(module, "_TURN_BYTES", 500)
    query, gallery = random_features(2, 15), random_features(3, 45)
    actual = alpha_query_expansion(query, gallery, k, alpha, times)
    for result, expected in zip(actual, by_definition(query, gallery, k, alpha, times), strict=True):
        np.testing.assert_allclose(result.embeddings, expected, atol=2e-5)
    assert actual[1].identities is gallery.identities


def test_negative_similarities_weigh_nothing():
    query, gallery = features([[1.0, 0.0]]), features([[-1.0, 0.1], [-1.0, -0.1]])
    for alpha in (0.5, 2.0, 3.0):
        result, _ = alpha_query_expansion(query, gallery, k=3, alpha=alpha)
        np.testing.assert_allclose(result.embeddings, [[1 / 3, 0.0]], atol=1e-6)


def test_order_does_not_matter():
    query, gallery = random_features(4, 10), random_features(5, 40)
    rows, columns = np.random.default_rng(0).permutation(10), np.random.default_rng(1).permutation(40)
    other_query, other_gallery = features(query.embeddings[rows]), features(gallery.embeddings[columns])
    np.testing.assert_allclose(
        query_expansion(other_query, other_gallery, 4).embeddings,
        query_expansion(query, gallery, 4).embeddings[rows],
        atol=1e-6,
    )
    expected = alpha_query_expansion(query, gallery, 4)
    actual = alpha_query_expansion(other_query, other_gallery, 4)
    np.testing.assert_allclose(actual[0].embeddings, expected[0].embeddings[rows], atol=1e-6)
    np.testing.assert_allclose(actual[1].embeddings, expected[1].embeddings[columns], atol=1e-6)


def test_both_help_where_images_of_one_identity_are_spread():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 32))

    def images(count):
        labels = np.repeat(np.arange(60), count)
        embeddings = l2_normalize(centres[labels] + 1.2 * rng.standard_normal((60 * count, 32)))
        return Features(embeddings, labels, None)

    query, gallery = images(1), images(10)
    before = evaluate(query, gallery, protocol="all").mAP
    assert evaluate(query_expansion(query, gallery, 3), gallery, protocol="all").mAP > before + 0.03
    assert evaluate(*alpha_query_expansion(query, gallery, 5), protocol="all").mAP > before + 0.03


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (query_expansion, {"k": 0}, r"`k` must be a whole number, at least 1\. Received: k=0"),
        (alpha_query_expansion, {"k": 1.5}, r"Received: k=1\.5"),
        (alpha_query_expansion, {"times": 0}, r"Received: times=0"),
        (alpha_query_expansion, {"alpha": -1.0}, r"at least 0\. Received: alpha=-1\.0"),
        (alpha_query_expansion, {"alpha": float("nan")}, r"Received: alpha=nan"),
    ],
)
def test_bad_options_are_named(function, options, message):
    with pytest.raises(UserError, match=message):
        function(random_features(0, 2), random_features(1, 2), **options)


@pytest.mark.parametrize("function", [query_expansion, alpha_query_expansion])
def test_bad_features_are_named(function):
    with pytest.raises(UserError, match="embeddings of 6 and of 7 numbers"):
        function(random_features(0, 2), random_features(1, 2, dim=7))
    with pytest.raises(UserError, match="the gallery is empty"):
        function(random_features(0, 2), random_features(1, 0))
