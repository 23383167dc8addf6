"""Where the marks of a time line stand."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from keras_reid.gallery.service.page.time_line import LANE, time_line
from keras_reid.gallery.service.records import SeenSighting

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def seen(number, camera, **after):
    time = None if after.get("never") else NOON + datetime.timedelta(**after)
    return SeenSighting(number, camera, time, f"{number}.jpg", None, None, None, NOON)


def test_a_lane_for_each_camera_in_the_order_of_the_first_sightings():
    line = time_line(
        [seen(3, "door", hours=8), seen(1, "yard", hours=0), seen(2, "door", hours=4)], BERLIN, NOON
    )
    assert [(lane.camera, lane.count) for lane in line.lanes] == [("yard", 1), ("door", 2)]
    assert [[mark.x for mark in lane.marks] for lane in line.lanes] == [[1.5], [50.0, 98.5]]
    assert line.lanes[1].y - line.lanes[0].y == LANE
    assert line.bottom == 2 * LANE


def test_a_line_leads_to_the_next_camera_only():
    line = time_line([seen(1, "a", hours=0), seen(2, "a", hours=1), seen(3, "b", hours=2)], BERLIN, NOON)
    ((x1, y1, x2, y2),) = line.moves
    assert (x1, x2) == (50.0, 98.5)
    assert (y1, y2) == (line.lanes[0].y, line.lanes[1].y)


def test_near_sightings_share_a_mark_that_says_how_many():
    line = time_line([seen(1, "a", seconds=0), seen(2, "a", seconds=30), seen(3, "a", hours=9)], BERLIN, NOON)
    first, second = line.lanes[0].marks
    assert first.sightings == (1, 2)
    assert first.label == "a, today, 14:00 to today, 14:00: 2 sightings"
    assert first.radius > second.radius


def test_a_single_time_stands_in_the_middle():
    line = time_line([seen(1, None, hours=0), seen(2, None, never=True)], BERLIN, NOON)
    assert [mark.x for mark in line.lanes[0].marks] == [50.0]
    assert line.lanes[0].marks[0].label == "no camera, today, 14:00"


def test_no_times_no_line():
    assert time_line([seen(1, "a", never=True)], BERLIN, NOON) is None


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"seconds": 31}, ["14:00", "14:00:10", "14:00:20", "14:00:30"]),
        ({"minutes": 5}, ["14:00", "14:01", "14:02", "14:03", "14:04", "14:05"]),
        ({"hours": 10}, ["15:00", "18:00", "21:00", "2 Jun"]),
        ({"days": 4}, ["2 Jun", "3 Jun", "4 Jun", "5 Jun"]),
        ({"days": 40}, ["8 Jun", "15 Jun", "22 Jun", "29 Jun", "6 Jul"]),
        ({"days": 400}, ["Jul 2026", "Oct 2026", "Jan 2027", "Apr 2027", "Jul 2027"]),
        ({"days": 4000}, ["2028", "2030", "2032", "2034", "2036"]),
    ],
)
def test_labels_are_round_times_of_the_zone_and_few(after, expected):
    line = time_line([seen(1, "a", hours=0), seen(2, "a", **after)], BERLIN, NOON)
    assert [text for _, text in line.labels] == expected
    assert all(0 < x < 100 for x, _ in line.labels)


def test_midnight_is_that_of_the_zone_when_clocks_change():
    line = time_line(
        [seen(1, "a", days=145), seen(2, "a", days=149)], BERLIN, NOON
    )  # 24 to 28 October 2026; the 25th has 25 hours
    places = [x for x, text in line.labels]
    assert [text for _, text in line.labels] == ["25 Oct", "26 Oct", "27 Oct", "28 Oct"]
    assert places[1] - places[0] == pytest.approx((places[2] - places[1]) * 25 / 24, abs=0.02)
