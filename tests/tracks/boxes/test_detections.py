import types

import numpy as np
import pytest

from keras_reid import UserError
from keras_reid.tracks.boxes import boxes_of_detections


def detections(xyxy=((10, 20, 40, 80), (0, 0, 9, 9)), tracker_id=(4, 2), confidence=(0.5, 1.0)):
    """As `supervision.Detections` has them, of which these attributes are used."""
    return types.SimpleNamespace(
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        tracker_id=None if tracker_id is None else np.array(tracker_id),
        confidence=None if confidence is None else np.array(confidence, np.float32),
    )


EMPTY = detections((), None, None)


def test_frames_are_counted():
    boxes = boxes_of_detections([detections(), None, EMPTY, detections(confidence=None)])
    assert boxes.frame.tolist() == [0, 0, 3, 3]
    assert boxes.track.tolist() == [2, 4, 2, 4]
    assert boxes.score.tolist() == [1, 0.5, 1, 1]
    assert boxes.xyxy[1].tolist() == [10, 20, 40, 80]


def test_frames_may_be_numbered():
    assert boxes_of_detections({50: detections(), 7: detections()}).frame.tolist() == [7, 7, 50, 50]


def test_boxes_of_no_track_are_left_out():
    assert boxes_of_detections([detections(tracker_id=(4, -1))]).track.tolist() == [4]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([EMPTY, None], "must hold a box with a track. Received: none in any frame"),
        ([], "must hold a box with a track"),
        ([None, "x"], "detections of frame 1 must have `xyxy` and `tracker_id`. Received: str"),
        ([detections(tracker_id=None)], "frame 0 must have a `tracker_id`. Received: None. Let a tracker"),
        ([detections(tracker_id=(1.5, 2.0))], "a whole `tracker_id`"),
        ([detections(confidence=(1.0,))], r"a `confidence` for each of 2 boxes"),
        (
            [detections(tracker_id=(4, 4))],
            "detections of frame 0: boxes must have a track at most once a frame",
        ),
        ([detections(xyxy=((1, 1, 1, 5), (0, 0, 9, 9)))], "detections of frame 0: .*right above left"),
    ],
)
def test_errors_name_the_frame(given, said):
    with pytest.raises(UserError, match=said):
        boxes_of_detections(given)
