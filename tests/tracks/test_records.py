import dataclasses
import datetime

import numpy as np
import pytest

from keras_reid import UserError
from keras_reid.tracks import Boxes
from tests.tracks.cameras import small_tracks

GOOD = {
    "frame": [0, 0, 1],
    "track": [1, 2, 1],
    "xyxy": [[0, 0, 5, 9.0], [5, 0, 9, 9], [1, 0, 6, 9]],
    "score": [1, 0.5, 0],
}


def boxes(**changes):
    return Boxes(**{name: np.array(value) for name, value in (GOOD | changes).items()})


def test_boxes_have_their_dtypes_and_are_read_only():
    made = boxes()
    assert [getattr(made, name).dtype for name in GOOD] == [np.int64, np.int64, np.float32, np.float32]
    with pytest.raises(ValueError, match="read-only"):
        made.xyxy[0] = 0
    assert len(made) == 3


def test_sorting_brings_rows_into_order():
    made = Boxes.sorted([3, 1, 1], [1, 9, 2], [[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]])
    assert made.frame.tolist() == [1, 1, 3]
    assert made.xyxy[:, 2].tolist() == [3, 2, 1]
    assert made.score.tolist() == [1, 1, 1]
    assert len(Boxes.sorted([], [], [])) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frame": [0.0, 0, 1]}, "boxes.frame must be int64. Received: float64"),
        ({"frame": [[0], [0], [1]]}, r"boxes.frame must have shape \(3\). Received: \(3, 1\)"),
        ({"score": [1, 1]}, r"boxes.score must have shape \(3\). Received: \(2,\)"),
        ({"xyxy": [[0, 0, 5]] * 3}, r"boxes.xyxy must have shape \(3, 4\). Received: \(3, 3\)"),
        ({"frame": [-1, 0, 1]}, "boxes.frame must be at least 0. Received: -1 in row 0"),
        ({"track": [1, -2, 1]}, "boxes.track must be at least 0. Received: -2 in row 1"),
        ({"xyxy": [[0, 0, 5, 9], [0, 0, np.nan, 9], [0, 0, 5, 9]]}, "boxes.xyxy must be finite.*row 1"),
        ({"xyxy": [[0, 0, 5, 9], [0, 0, 5, 9], [5, 0, 5, 9]]}, "right above left.*in row 2"),
        ({"score": [1, 1, 1.5]}, "boxes.score must be 0 to 1. Received: 1.5 in row 2"),
        ({"track": [2, 2, 1]}, "a track at most once a frame. Received: 2 in row 0"),
        ({"track": [2, 1, 1]}, r"sorted by frame, then track \(Boxes.sorted\)"),
        ({"frame": [1, 1, 0]}, r"sorted by frame"),
    ],
)
def test_impossible_boxes_are_refused(changes, said):
    with pytest.raises(UserError, match=said):
        boxes(**changes)


def changed(part, **changes):
    return {part: dataclasses.replace(getattr(small_tracks(), part), **changes)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (lambda: {"camera": ""}, "tracks.camera must be a name"),
        (lambda: {"start": datetime.datetime(2026, 11, 29)}, "tracks.start must have a zone"),
        (lambda: {"fps": 0.0}, "tracks.fps must be above 0, or None"),
        (lambda: {"frame_size": (0, 4)}, "tracks.frame_size must be"),
        (lambda: {"box_tracklet": np.array([0, 1])}, "box_tracklet must be -1 to 0. Received: 1 in row 1"),
        (lambda: {"box_tracklet": np.array([0])}, "box_tracklet must have shape"),
        (lambda: changed("tracklets", track=np.array([8])), "must name tracklets of the box's track"),
        (lambda: changed("crops", box=np.array([2])), "crops.box must be 0 to 1. Received: 2"),
        (lambda: changed("crops", tracklet=np.array([-1])), "crops.tracklet must be 0 to 0"),
        (lambda: changed("crops", quality=np.array([np.nan])), "crops.quality must be 0 to 1"),
        (lambda: changed("crops", seconds=np.array([-1.0])), "crops.seconds must be finite and at least 0"),
        (lambda: changed("crops", kept=np.array([1])), "crops.kept must be bool"),
        (lambda: changed("crops", embedding=np.ones((1, 3))), "must be finite and of unit length"),
        (lambda: changed("tracklets", embedding=np.eye(4)[:1]), r"must have shape \(n, 3\)"),
        (lambda: changed("tracklets", last_frame=np.array([-1])), "must not lie before first_frame"),
        (lambda: changed("tracklets", last_second=np.array([np.inf])), "must not lie before first_second"),
        (lambda: changed("tracklets", spread=np.array([-0.1])), "tracklets.spread must be at least 0"),
        (lambda: changed("tracklets", pictures=()), "tracklets.pictures must be bytes, one for each of 1"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, said):
    with pytest.raises(UserError, match=said):
        small_tracks(**changes())


def test_a_box_may_be_in_no_tracklet():
    assert small_tracks(box_tracklet=np.array([-1, 0])).box_tracklet.tolist() == [-1, 0]


def test_the_best_crop_of_a_tracklet_is_one_that_was_kept():
    crops = dataclasses.replace(
        small_tracks().crops,
        box=np.arange(5),
        seconds=np.zeros(5),
        quality=np.array([0.9, 0.5, 0.5, 0.2, 0.7], np.float32),
        tracklet=np.array([1, 1, 1, 0, 0]),
        kept=np.array([False, True, True, False, False]),
        embedding=np.zeros((5, 3)),
    )
    assert crops.best().tolist() == [4, 1]


def test_a_tracklet_needs_a_crop():
    tracklets = small_tracks().tracklets
    twice = dataclasses.replace(
        tracklets,
        pictures=2 * tracklets.pictures,
        **{
            field.name: np.repeat(getattr(tracklets, field.name), 2, axis=0)
            for field in dataclasses.fields(tracklets)
            if field.name != "pictures"
        },
    )
    with pytest.raises(UserError, match=r"tracklets must have a crop each. Received: 7 in row 1"):
        small_tracks(tracklets=twice)
