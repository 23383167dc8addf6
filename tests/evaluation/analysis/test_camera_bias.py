import numpy as np
import pytest

from keras_reid.evaluation import Features, evaluate, remove_camera_bias
from keras_reid.utils.errors import UserError


def biased(n, seed, dim=8):
    """Embeddings that say more of the camera than of the identity."""
    rng = np.random.default_rng(seed)
    identities, cameras = rng.integers(0, 20, n), rng.integers(0, 4, n)
    of_identity, of_camera = (np.random.default_rng(k).standard_normal((20, dim)) for k in (0, 1))
    noise = 0.3 * rng.standard_normal((n, dim))
    return Features(of_identity[identities] + 3 * of_camera[cameras] + noise, identities, cameras)


def test_by_definition():
    query, gallery = biased(50, 2), biased(150, 3)
    new = remove_camera_bias(query, gallery)
    assert [len(part) for part in new] == [50, 150]
    old = np.concatenate([query.embeddings, gallery.embeddings]).astype(np.float64)
    old /= np.linalg.norm(old, axis=1, keepdims=True)
    cameras = np.concatenate([query.cameras, gallery.cameras])
    got = np.concatenate([part.embeddings for part in new])
    for camera in range(4):
        rows = cameras == camera
        expected = (old[rows] - old[rows].mean(0)) / old[rows].std(0)
        np.testing.assert_allclose(got[rows], expected, rtol=1e-4, atol=1e-5)


def test_finds_what_the_camera_hid():
    query, gallery = biased(200, 2), biased(400, 3)
    before = evaluate(query, gallery).mAP
    assert evaluate(*remove_camera_bias(query, gallery)).mAP > before + 0.2


def test_a_camera_with_few_images_takes_the_numbers_of_all():
    query, gallery = biased(50, 2), biased(150, 3)
    cameras = query.cameras.copy()
    cameras[0] = 77
    query = Features(query.embeddings, query.identities, cameras)
    old = np.concatenate([query.embeddings, gallery.embeddings]).astype(np.float64)
    old /= np.linalg.norm(old, axis=1, keepdims=True)
    new, _ = remove_camera_bias(query, gallery)
    np.testing.assert_allclose(new.embeddings[0], (old[0] - old.mean(0)) / old.std(0), rtol=1e-4, atol=1e-5)


def test_identical_embeddings_stay_finite():
    same = Features(np.ones((30, 4)), np.arange(30), np.zeros(30, int))
    new, _ = remove_camera_bias(same, same)
    np.testing.assert_array_equal(new.embeddings, 0)


def test_what_is_refused():
    with_cameras, without = biased(5, 0), Features(np.eye(8), np.arange(8), None)
    with pytest.raises(UserError, match="cameras=None"):
        remove_camera_bias(with_cameras, without)
    with pytest.raises(UserError, match="8 and of 3"):
        remove_camera_bias(with_cameras, biased(5, 0, dim=3))
