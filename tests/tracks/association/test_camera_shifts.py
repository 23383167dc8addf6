import numpy as np

from keras_reid.tracks.association.camera_shifts import without_camera_shifts


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_what_a_camera_adds_is_taken_off():
    rng = np.random.default_rng(0)
    people = rng.standard_normal((60, 32))
    shifts = rng.standard_normal((3, 32))
    shifts -= shifts.mean(axis=0)
    identities, cameras = np.tile(np.arange(60), 3), np.repeat(np.arange(3), 60)
    rows = unit(people[identities] + shifts[cameras])
    moved = without_camera_shifts(rows, cameras, identities)

    def apart(some):
        some = some.reshape(3, 60, 32)
        return np.mean(1 - np.einsum("ijk,ijk->ij", some[:2], some[1:]))

    assert apart(moved) < apart(rows) / 10
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, rtol=1e-6)


def test_who_was_seen_by_one_camera_says_nothing():
    rows = unit(np.random.default_rng(0).standard_normal((6, 4)))
    cameras, identities = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 2, 3, 4])
    np.testing.assert_allclose(without_camera_shifts(rows, cameras, identities), rows, atol=1e-7)


def test_a_few_change_little():
    rows = unit(np.array([[1.0, 0.2], [1.0, -0.2]]))
    moved = without_camera_shifts(rows, np.array([0, 1]), np.array([0, 0]))
    # A sixth of the difference, as for 1 shared identity among 5 + 1.
    assert 0.8 < moved[0, 1] / rows[0, 1] < 0.9
