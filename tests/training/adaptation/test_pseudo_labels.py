import sys

import numpy as np
import pytest

from keras_reid.training.adaptation import check_installed, pseudo_labels
from keras_reid.utils.errors import UserError
from tests.evaluation.rerank.test_jaccard import by_definition
from tests.evaluation.rerank.test_k_reciprocal import clustered

pytest.importorskip("sklearn")


def identities(seed, count=12, images=10, dim=16, noise=0.25, strangers=3):
    """Embeddings of well separated identities in random order, some images of nobody else, and who they show."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.repeat(np.arange(count), images), np.arange(count, count + strangers)]
    centres = rng.standard_normal((count + strangers, dim))
    embeddings = centres[labels] + noise * rng.standard_normal((len(labels), dim))
    order = rng.permutation(len(labels))
    return embeddings[order], labels[order]


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist()) - {-1}}


@pytest.mark.parametrize(
    ("eps", "min_samples", "k1", "k2"), [(0.5, 4, 10, 3), (0.6, 2, 8, 2), (0.3, 3, 20, 6)]
)
def test_equals_dbscan_on_the_dense_matrix(eps, min_samples, k1, k2):
    from sklearn.cluster import DBSCAN

    features = clustered(7, 60)
    expected = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit_predict(
        by_definition(features, k1, k2)
    )
    found = pseudo_labels(features.embeddings, eps, min_samples, k1, k2)
    assert found.dtype == np.int32
    large = {cluster for cluster in partition(expected) if len(cluster) >= min_samples}
    assert partition(found) == large
    assert large


def test_finds_identities_and_leaves_strangers_out():
    embeddings, labels = identities(0)
    found = pseudo_labels(embeddings, eps=0.5, min_samples=4, k1=9, k2=1)
    assert partition(found) == partition(np.where(labels < 12, labels, -1))
    assert (found[labels >= 12] == -1).all()


def test_are_numbered_by_their_first_images():
    embeddings, _ = identities(1)
    found = pseudo_labels(embeddings, eps=0.5, min_samples=4, k1=9, k2=3)
    seen = list(dict.fromkeys(found[found >= 0].tolist()))
    assert seen == list(range(12))


def test_the_order_of_the_images_does_not_matter():
    embeddings, _ = identities(2)
    order = np.random.default_rng(0).permutation(len(embeddings))
    found = pseudo_labels(embeddings, eps=0.5, k1=10, k2=3)
    again = np.empty_like(found)
    again[order] = pseudo_labels(embeddings[order], eps=0.5, k1=10, k2=3)
    assert partition(again) == partition(found)


def test_every_option_changes_something():
    embeddings = clustered(7, 90).embeddings
    options = {"eps": 0.5, "min_samples": 3, "k1": 10, "k2": 3}
    usual = pseudo_labels(embeddings, **options).tolist()
    for name, value in {"eps": 0.3, "min_samples": 8, "k1": 4, "k2": 1}.items():
        assert pseudo_labels(embeddings, **{**options, name: value}).tolist() != usual, name


def test_nothing_alike_is_no_cluster():
    assert (pseudo_labels(np.eye(9), eps=0.2, min_samples=4, k1=1, k2=1) == -1).all()


def test_says_how_to_install_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(UserError, match=r"pip install 'keras_reid\[adaptation\]'"):
        pseudo_labels(np.eye(5))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"scikit-learn, not installed here: pip install 'keras_reid\[adaptation\]'"
    ):
        check_installed()


def test_refuses_min_samples_of_0():
    with pytest.raises(UserError, match="`min_samples` must be at least 1"):
        pseudo_labels(np.eye(5), min_samples=0)
