import numpy as np
import pytest

from keras_reid import UserError
from keras_reid.tracks import Boxes
from keras_reid.tracks.tracklets.sampling import sample, visible


def line(frames, track=1):
    return Boxes.sorted(frames, [track] * len(frames), [[0, 0, 9, 20]] * len(frames))


def test_the_best_box_of_each_time_is_taken():
    boxes = line(range(10))
    quality = [0.1, 0.9, 0.3, 0.2, 0.8, 0.8, 0.1, 0.2, 0.3, 0.4]
    assert sample(boxes, np.arange(10) / 10, quality, every=0.3).tolist() == [1, 4, 8, 9]


def test_a_long_track_has_longer_times():
    boxes = line(range(1000))
    rows = sample(boxes, np.arange(1000) / 10, np.ones(1000), every=0.2, most=4)
    assert rows.tolist() == [0, 250, 500, 750]


def test_every_0_takes_every_box_of_short_tracks():
    assert sample(line(range(5)), np.arange(5) / 10, np.ones(5), every=0, most=24).tolist() == [0, 1, 2, 3, 4]
    assert len(sample(line(range(50)), np.arange(50) / 10, np.ones(50), every=0, most=24)) == 24
    assert sample(line([3]), [0.3], [1.0], every=0).tolist() == [0]


def test_tracks_are_sampled_each_for_itself():
    boxes = Boxes.sorted([0, 0, 1, 1], [1, 2, 1, 2], [[0, 0, 9, 20]] * 4)
    rows = sample(boxes, [0, 0, 0.1, 0.1], [0.2, 0.9, 0.8, 0.1], every=1)
    assert rows.tolist() == [1, 2]


def test_boxes_of_no_quality_are_never_taken():
    assert sample(line(range(3)), [0, 1, 2], [0, 0.5, 0], every=0.5).tolist() == [1]
    assert sample(line(range(3)), [0, 1, 2], [0, 0, 0]).tolist() == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"every": -1}, "--every must be 0 or more seconds. Received: -1"),
        ({"every": float("nan")}, "--every must be 0 or more seconds. Received: nan"),
        ({"most": 0}, "--most must be at least 1 crop of a track. Received: 0"),
    ],
)
def test_settings_without_sense_are_refused(settings, said):
    with pytest.raises(UserError, match=said):
        sample(line([0]), [0], [1], **settings)


def test_a_visible_box_shows_a_whole_pixel():
    edges = [
        [-9, 0, 0.5, 20],
        [-9, 0, 1, 20],
        [63, 0, 80, 20],
        [63.5, 0, 80, 20],
        [0, 47.5, 9, 60],
        [64, 0, 70, 9],
    ]
    boxes = Boxes.sorted(range(6), [1] * 6, edges)
    assert visible(boxes, (48, 64)).tolist() == [False, True, True, False, False, False]
