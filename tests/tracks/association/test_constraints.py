import datetime

import pytest

from keras_reid.tracks.association.constraints import impossible_pairs, read_travel_times
from keras_reid.utils.errors import UserError
from tests.tracks.scene import START, only, tracks


def pairs(*arguments, **options):
    return {tuple(sorted(pair)) for pair in impossible_pairs(*arguments, **options).tolist()}


def test_two_tracklets_in_the_same_frames_of_a_camera_are_two_objects():
    # 5 frames a second; the second and the first have 31 frames together, the second and the third 10, others none.
    door = tracks("door", [(0, 0, 50), (0, 20, 80), (0, 71, 90), (0, 200, 210)])
    assert pairs([door]) == {(0, 1)}
    assert pairs([door], handover=1.9) == {(0, 1), (1, 2)}
    assert pairs([door], handover=0) == {(0, 1), (1, 2)}
    assert pairs([door], handover=7) == set()


def test_overlap_counts_frames_with_boxes_and_not_the_time_between_them():
    """Two ids that take turns may be one object."""
    door = tracks("door", [(0, 0, 60), (0, 0, 60)])
    turns = only(door, door.boxes.frame // 3 % 2 == door.box_tracklet)
    assert pairs([door], handover=0) == {(0, 1)}
    assert pairs([turns], handover=0) == set()


def test_nobody_is_in_two_cameras_at_one_time():
    door = tracks("door", [(0, 0, 50), (0, 100, 150)])
    hall = tracks("hall", [(0, 40, 60), (0, 51, 99), (0, 151, 200)])
    assert pairs([door, hall]) == {(0, 2)}
    assert pairs([hall, door]) == {(0, 3)}
    assert pairs([door, hall], overlapping=("door", "hall")) == set()
    assert pairs([door, hall], overlapping=("hall",)) == {(0, 2)}


def test_the_start_of_each_video_counts():
    late = START + datetime.timedelta(seconds=100)
    door, hall = tracks("door", [(0, 500, 550)]), tracks("hall", [(0, 0, 50)], start=late)
    assert pairs([door, hall]) == {(0, 1)}
    assert pairs([door, tracks("hall", [(0, 0, 50)])]) == set()
    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert pairs([door, tracks("hall", [(0, 0, 50)], start=late.astimezone(zone))]) == {(0, 1)}


def test_without_a_start_time_cameras_are_not_compared():
    door, hall = tracks("door", [(0, 0, 50)], start=None), tracks("hall", [(0, 0, 50)])
    assert pairs([door, hall]) == set()
    with pytest.raises(
        UserError, match=r"travel times need the time .* none for door. Give it to `keras-reid tracks`"
    ):
        impossible_pairs([door, hall], travel={("door", "hall"): 1.0})


@pytest.mark.parametrize(
    ("travel", "expected"),
    [
        ({("door", "hall"): 1.8}, set()),
        ({("door", "hall"): 2.2}, {(0, 1), (0, 2)}),  # the way back takes as long
        ({("door", "hall"): 2.2, ("hall", "door"): 0.0}, {(0, 1)}),
        ({("hall", "door"): 2.2, ("door", "hall"): 0.0}, {(0, 2)}),
    ],
)
def test_ways_between_cameras_take_time(travel, expected):
    """The hall is entered 2 seconds after the door was left, or left 2 seconds before."""
    door, hall = tracks("door", [(0, 100, 150)]), tracks("hall", [(0, 160, 200), (0, 50, 90)])
    assert pairs([door, hall], travel=travel) == expected


def test_who_was_out_of_view_may_have_been_elsewhere():
    """A tracker that keeps its ids for long: away from frame 51 to 149."""
    door = tracks("door", [(0, 0, 200)])
    away = only(door, (door.boxes.frame <= 50) | (door.boxes.frame >= 150))
    hall, yard = tracks("hall", [(0, 60, 140)]), tracks("yard", [(0, 45, 100)])
    assert pairs([door, hall]) == pairs([door, yard]) == pairs([away, yard]) == {(0, 1)}
    assert pairs([away, hall]) == set()
    assert pairs([away, hall], travel={("door", "hall"): 3.0}) == {(0, 1)}


def test_unknown_cameras_and_times_are_refused():
    door = tracks("door", [(0, 0, 9)])
    with pytest.raises(UserError, match=r"there is no camera 'hal'. The cameras are door."):
        impossible_pairs([door], overlapping=("hal",))
    with pytest.raises(UserError, match=r"there is no camera 'hal'"):
        impossible_pairs([door], travel={("door", "hal"): 1.0})
    with pytest.raises(UserError, match=r"the handover must be a number of seconds from 0. Received: -1."):
        impossible_pairs([door], handover=-1)


def test_nothing_is_impossible_among_nothing():
    assert impossible_pairs([]).shape == (0, 2)
    assert impossible_pairs([tracks("door", []), tracks("hall", [])]).shape == (0, 2)


def test_a_table_of_travel_times(tmp_path):
    file = tmp_path / "travel.csv"
    file.write_text("\ufefffrom,to,seconds,remark\ndoor, hall,20,stairs\nhall,door,12.5,\n", encoding="utf-8")
    assert read_travel_times(file, {"door", "hall"}) == {("door", "hall"): 20.0, ("hall", "door"): 12.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from,to\n", "travel.csv, line 1: column 'seconds' is missing; the header has from, to."),
        ("", "travel.csv, line 1: column 'from' is missing; the header has nothing."),
        (
            "from,to,seconds\ndoor,yard,3\n",
            "line 2: column 'to': there is no camera 'yard'. The cameras are door, hall.",
        ),
        (
            "from,to,seconds\ndoor,hall,-3\n",
            "line 2: column 'seconds' must be a number from 0. Received: '-3'.",
        ),
        (
            "from,to,seconds\ndoor,hall,nan\n",
            "line 2: column 'seconds' must be a number from 0. Received: 'nan'.",
        ),
        ("from,to,seconds\ndoor,hall\n", "line 2: column 'seconds' must be a number from 0. Received: ''."),
        ("from,to,seconds\ndoor,door,3\n", "line 2: columns 'from' and 'to' must be two cameras."),
        (
            "from,to,seconds\ndoor,hall,3\ndoor,hall,4\n",
            "line 3: the way from 'door' to 'hall' is listed already.",
        ),
    ],
)
def test_mistakes_in_the_table_are_named(tmp_path, text, said):
    file = tmp_path / "travel.csv"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_travel_times(file, {"door", "hall"})
    assert said in str(error.value)


def test_a_table_that_is_none(tmp_path):
    with pytest.raises(UserError, match=r"there is no such CSV file"):
        read_travel_times(tmp_path / "travel.csv", {"door"})
    (tmp_path / "travel.csv").write_bytes(b"from,to,seconds\n\xff\xfe,a,1\n")
    with pytest.raises(UserError, match=r"is not a CSV file in UTF-8"):
        read_travel_times(tmp_path / "travel.csv", {"door"})
