"""What the page says."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from keras_reid.gallery.service.page import wording
from keras_reid.gallery.service.records import Change, Hit, SearchAnswer

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
UTC = ZoneInfo("UTC")


def found(*verdicts):
    hits = (
        Hit(10 + n, n, f"N{n}", None, None, "", None, n / 10, 0.5, one, None, None)
        for n, one in enumerate(verdicts)
    )
    return SearchAnswer(tuple(hits), None, None)


@pytest.mark.parametrize(
    ("verdicts", "before", "name"),
    [
        (["same", "different"], "", "N0"),
        (["unsure"], "Perhaps", "N0"),
        (["different"], "Not in the gallery", ""),
        ([None], "Nearest:", "N0"),
        ([], "The gallery is empty", ""),
    ],
)
def test_the_answer_in_a_line(verdicts, before, name):
    line = wording.headline(found(*verdicts), filtered=False)
    assert (line.before, line.name) == (before, name)


def test_other_identities_that_may_be_the_same_are_counted():
    assert wording.headline(found("same", "same", "unsure"), False).more == (
        "1 other identity may be the same one."
    )


def test_filters_are_named_where_they_leave_nothing():
    assert "filters" in wording.headline(found(), filtered=True).before
    assert wording.headline(found("different"), filtered=True).before == "Not among these"


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0, "today, 12:00"),
        (-13, "yesterday, 23:00"),
        (-48, "30 May, 12:00"),
        (-24 * 200, "13 Nov 2025, 12:00"),
    ],
)
def test_moments(hours, words):
    assert wording.moment(NOON + datetime.timedelta(hours=hours), UTC, NOON) == words


def test_the_time_of_day_has_seconds_where_there_are_some():
    assert wording.clock(NOON) == "12:00"
    assert wording.clock(NOON + datetime.timedelta(seconds=7)) == "12:00:07"


def change(action, identities, names, sightings=0):
    return Change(1, NOON, "me", action, identities, names, sightings, None, True)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (change("rename", (7,), (None, "Anna")), "#7 is called Anna"),
        (change("rename", (7,), ("Anna", None)), "Anna has no name any more"),
        (change("merge", (7, 8), ("Anna", None), 3), "#8 became a part of Anna: 3 sightings moved"),
        (
            change("merge", (7, 8, 9, 10, 11), ("A", "B", "C", "D", "E"), 1200),
            "B, C and 2 others became a part of A: 1\N{NARROW NO-BREAK SPACE}200 sightings moved",
        ),
        (change("split", (9, 7), (None, "An\x1bna"), 1), "1 sighting of An·na moved to #9"),
    ],
)
def test_changes(one, words):
    assert wording.change_in_words(one) == words


def test_a_name_from_right_to_left_keeps_the_numbers_beside_it_in_place():
    one = change("merge", (3, 17), ("نور", "Anna"), 4)
    assert wording.change_in_words(one) == "Anna became a part of \u2068نور\u2069: 4 sightings moved"
