import numpy as np
import pytest

from keras_reid.evaluation.analysis import impostor_ceiling as module
from keras_reid.evaluation.analysis.impostor_ceiling import impostor_ceiling
from keras_reid.utils.errors import UserError
from tests.evaluation.analysis.test_suspect_identities import embedded


def with_hubs():
    """Two images lie in the middle of all others."""
    embeddings, labels, _ = embedded(identities=40, offset=0.0)
    embeddings = embeddings + 1.0
    embeddings[[5, 100]] = embeddings.mean(axis=0) * [[1.0], [1.1]]
    return embeddings, labels


def test_references_that_look_like_many():
    embeddings, labels = with_hubs()
    found = impostor_ceiling(embeddings, labels)
    assert sorted(found.rows.tolist()) == [5, 100]
    assert found.level_without < found.level
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for row, count, nearest in zip(found.rows, found.impostors, found.nearest, strict=True):
        similar = unit @ unit[row]
        others = labels != labels[row]
        assert count == len(np.unique(labels[others & (similar >= found.level)]))
        assert nearest == np.flatnonzero(others)[similar[others].argmax()]


def test_the_level_is_a_quantile_of_the_impostor_pairs():
    embeddings, labels, _ = embedded()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[labels[:, None] != labels[None]]
    for rate in (0.001, 0.1):
        level = impostor_ceiling(embeddings, labels, rate).level
        assert level == pytest.approx(np.quantile(pairs, 1 - rate), abs=0.01)


def test_none_stands_out():
    embeddings, labels, _ = embedded()
    found = impostor_ceiling(embeddings, labels)
    assert len(found.rows) == len(found.impostors) == 0
    assert found.level_without == found.level


def test_of_many_images_some_are_compared_with_all(monkeypatch):
    embeddings, labels = with_hubs()
    monkeypatch.setattr(module, "_MOST_PROBES", 150)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 4 * len(labels) * 7)
    assert sorted(impostor_ceiling(embeddings, labels, 0.01).rows.tolist()) == [5, 100]


def test_what_has_no_impostors_is_refused():
    with pytest.raises(UserError, match="Received: images of a single identity"):
        impostor_ceiling(np.eye(3), np.zeros(3, int))
    with pytest.raises(UserError, match=r"must lie between 0 and 1\. Received: 0"):
        impostor_ceiling(np.eye(3), np.arange(3), 0)
