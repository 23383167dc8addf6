import numpy as np
import pytest

from keras_reid.evaluation.analysis.suspect_identities import suspect_identities


def embedded(seed=0, identities=30, images=8, dim=32, spread=0.35, offset=0.0):
    """Embeddings in clusters; the camera adds `offset` to each."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(identities, dim))
    labels = np.repeat(np.arange(identities), images)
    cameras = np.tile(np.arange(images) % 4, identities)
    noise = spread * rng.normal(size=(len(labels), dim))
    return centers[labels] + noise + offset * rng.normal(size=(4, dim))[cameras], labels, cameras


def test_nothing_is_suspect_where_labels_are_right():
    embeddings, labels, cameras = embedded()
    assert len(suspect_identities(embeddings, labels, cameras)) == 0


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_moved_images_are_found(offset):
    embeddings, labels, cameras = embedded(offset=offset)
    given = labels.copy()
    given[[4, 50, 77]] = [20, 11, 2]
    found = suspect_identities(embeddings, given + 100, cameras)
    assert sorted(found.rows.tolist()) == [4, 50, 77]
    assert dict(zip(found.rows.tolist(), found.other_identity.tolist(), strict=True)) == {
        4: 100,
        50: 106,
        77: 109,
    }
    assert (found.own < 0.5).all()
    assert (found.other > 0.5).all()


def test_lengths_do_not_count():
    embeddings, labels, cameras = embedded()
    labels[4] = 20
    scaled = embeddings * np.random.default_rng(1).uniform(0.1, 10, (len(labels), 1))
    assert suspect_identities(scaled, labels, cameras).rows.tolist() == [4]
    assert suspect_identities(embeddings, labels).rows.tolist() == [4]


def test_the_similarities_by_hand():
    embeddings, labels, _ = embedded()
    labels[4] = 20
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    def cosine(rows):
        mean = unit[rows].mean(axis=0)
        return unit[4] @ mean / np.linalg.norm(mean)

    found = suspect_identities(embeddings, labels)
    rows = np.arange(len(labels))
    assert found.own[0] == pytest.approx(cosine((labels == 20) & (rows != 4)), abs=1e-6)
    assert found.other[0] == pytest.approx(cosine(labels == 0), abs=1e-6)


def test_an_identity_that_is_not_there_is_not_named():
    embeddings, labels, cameras = embedded()
    embeddings[4] = np.random.default_rng(5).normal(size=32)
    assert len(suspect_identities(embeddings, labels, cameras)) == 0


def test_too_little_to_judge():
    embeddings = np.random.default_rng(0).normal(size=(4, 8))
    for labels in ([0, 1, 2, 3], [0, 0, 0, 0]):
        assert len(suspect_identities(embeddings, np.array(labels))) == 0
    # An image that is alone in its identity is not judged, and not in the way.
    embeddings, labels, cameras = embedded()
    labels[0] = 999
    labels[9] = 5
    assert suspect_identities(embeddings, labels, cameras).rows.tolist() == [9]
