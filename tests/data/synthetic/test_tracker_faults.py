"""What a tracker with faults makes of the truth."""

import dataclasses

import numpy as np

from keras_reid.data.synthetic.tracker_faults import TrackerFaults, TrueBoxes, tracked

FPS = 5.0
PERFECT = TrackerFaults(jitter=0, missed=0, hidden=0, breaks=0, patience=1.0, switches=0)


def crossing(frames=200):
    """Two people whose boxes meet in every twentieth frame, sorted by frame."""
    rows = []
    for frame in range(frames):
        shift = 0.0 if frame % 20 == 10 else 100.0
        rows += [(frame, 1, 0, 0, 20, 40), (frame, 2, shift, 0, shift + 20, 40)]
    table = np.array(rows, float)
    return TrueBoxes(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:], np.ones(len(table)))


def run(boxes, seed=0, **faults):
    return tracked(boxes, dataclasses.replace(PERFECT, **faults), FPS, np.random.default_rng(seed))


def test_a_perfect_tracker_tells_the_truth():
    truth = crossing()
    found = run(truth)
    np.testing.assert_array_equal(found.frame, truth.frame)
    np.testing.assert_array_equal(found.track, truth.identity)
    np.testing.assert_array_equal(found.identity, truth.identity)
    np.testing.assert_array_equal(found.xyxy, truth.xyxy)
    assert ((found.score > 0) & (found.score <= 1)).all()


def test_jitter():
    found = run(crossing(2000), jitter=0.05)
    errors = found.xyxy - crossing(2000).xyxy
    np.testing.assert_allclose(errors.std(0), [1.0, 2.0, 1.0, 2.0], rtol=0.1)


def test_missed_boxes():
    truth = crossing(2000)
    assert abs(1 - len(run(truth, missed=0.2).frame) / len(truth.frame) - 0.2) < 0.03
    half = dataclasses.replace(truth, visible=np.where(truth.identity == 1, 0.25, 0.9))
    assert set(run(half, hidden=0.3).identity) == {2}
    assert set(run(half, hidden=0.2).identity) == {1, 2}


def test_who_was_missing_for_long_gets_a_new_id():
    truth = crossing(60)
    for gap, ids in ((5, 1), (6, 2)):  # a second is five frames
        seen = ~((truth.frame >= 10) & (truth.frame < 10 + gap))
        parted = TrueBoxes(*(values[seen] for values in dataclasses.astuple(truth)))
        found = run(parted)
        assert len(set(found.track[found.identity == 1])) == ids


def test_breaks():
    found = run(crossing(2000), breaks=0.1)  # of 2000 frames, 400 seconds, for two people
    assert 50 < len(set(found.track)) < 110
    assert all(len(set(found.identity[found.track == one])) == 1 for one in set(found.track))


def test_ids_are_exchanged_where_people_meet():
    found = run(crossing(), switches=1)
    assert set(found.track) == {1, 2}
    one = found.track[found.identity == 1]
    changes = np.flatnonzero(np.diff(one)) + 1
    np.testing.assert_array_equal(changes, np.arange(10, 200, 20))  # at each meeting, and stays so
    kept = run(crossing(), switches=0)
    assert set(kept.track[kept.identity == 1]) == {1}


def test_faults_depend_on_the_generator_alone():
    one, same, other = (run(crossing(), seed, missed=0.2, jitter=0.1) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.xyxy, same.xyxy)
    assert one.xyxy.shape != other.xyxy.shape or (one.xyxy != other.xyxy).any()
