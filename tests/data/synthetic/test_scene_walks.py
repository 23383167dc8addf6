"""Walks past several cameras: where people are, and that they are never in two places."""

import itertools

import numpy as np

from keras_reid.data.synthetic.scene_walks import FAR, NEAR, Ground, travel_times, walks

SIZE, FPS = (360, 640), 5.0
GROUNDS = [Ground.of(SIZE, elevation) for elevation in (0.05, 0.2, 0.3)]
YAWS = [(0.5, 0.4, 0.15), (-0.5, 0.4, 0.15), (0.0, 0.4, 0.15)]


def drawn(seed=3, identities=30):
    return walks(seed, identities, GROUNDS, YAWS, 40.0, FPS)


def visits(found):
    """identity → [(camera, first frame, last frame)], in order of time."""
    frames = {}
    for camera, scene in enumerate(found):
        for frame, steps in enumerate(scene):
            for step in steps:
                frames.setdefault((step.identity, step.visit), []).append((camera, frame))
    result = {}
    for (identity, _), seen in sorted(frames.items()):
        cameras, moments = zip(*seen, strict=True)
        assert len(set(cameras)) == 1
        assert list(moments) == list(range(moments[0], moments[0] + len(moments)))  # without a gap
        result.setdefault(identity, []).append((cameras[0], moments[0], moments[-1]))
    return result


def test_one_place_at_one_time():
    least = travel_times(3, len(GROUNDS))
    routes = visits(drawn())
    assert set(routes) == set(range(1, 31))
    for route in routes.values():
        for (one, _, leaves), (other, enters, _) in itertools.pairwise(route):
            assert one != other
            assert (enters - leaves) / FPS >= least[one, other]
    assert {len(route) for route in routes.values()} == {1, 2, 3}
    assert any(len({camera for camera, *_ in route}) < len(route) for route in routes.values())  # come back


def test_everybody_is_in_the_view_and_moves():
    sizes = []
    for ground, scene in zip(GROUNDS, drawn(), strict=True):
        for steps in scene:
            for step in steps:
                column, row = ground.foot(step.x, step.z)
                assert NEAR <= step.z <= FAR
                assert 0 <= column <= SIZE[1]
                assert 0 < row <= 1.15 * SIZE[0]
                sizes.append(step.stature * ground.scale(step.z))
    assert 40 < min(sizes) < 80  # pixels
    assert 150 < max(sizes) < 240


def test_a_walk_depends_on_its_seed_and_on_nobody_else():
    assert drawn() == drawn()
    assert drawn(4) != drawn()
    few = drawn(identities=10)
    for scene, more in zip(few, drawn(), strict=True):
        for steps, among in zip(scene, more, strict=False):
            assert steps == [step for step in among if step.identity <= 10]


def test_travel_times():
    least = travel_times(5, 4)
    np.testing.assert_array_equal(least, least.T)
    assert (least[~np.eye(4, dtype=bool)] > 0).all()
    # No detour is faster than the direct way, so a constraint on each pair of cameras is enough.
    assert all(
        least[i, k] <= least[i, j] + least[j, k] + 3 for i in range(4) for j in range(4) for k in range(4)
    )


def test_one_camera():
    (scene,) = walks(1, 5, GROUNDS[:1], YAWS[:1], 10.0, FPS)
    assert {step.identity for steps in scene for step in steps} == set(range(1, 6))
    assert {step.visit for steps in scene for step in steps} == {0}
