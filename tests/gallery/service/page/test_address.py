"""Filters in the address of a search."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from starlette.datastructures import QueryParams

from keras_reid.gallery.service.page.address import SearchAddress, identity_key
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
FULL = "?like=3&camera=door&camera=%E5%8C%97%E9%97%A8&after=2026-11-01T00%3A00&identity=%2317&quality=0.5"


def test_an_address_survives_reading_and_writing():
    address = SearchAddress.read(QueryParams(FULL[1:]))
    assert str(address) == FULL
    assert str(SearchAddress()) == ""


def test_times_are_of_the_zone():
    filters = SearchAddress(cameras=("door",), after="2026-11-01T00:00", quality=0.5).filters(BERLIN, (17,))
    assert filters.after == datetime.datetime(2026, 10, 31, 23, tzinfo=datetime.UTC)
    assert (filters.cameras, filters.identities, filters.quality) == (("door",), (17,), 0.5)


def test_each_filter_can_be_taken_away():
    address = SearchAddress.read(QueryParams(FULL[1:]))
    chips = dict(address.chips(BERLIN, NOW))
    assert list(chips) == ["door", "北门", "from 1 Nov, 00:00", "#17", "quality from 0.5"]
    assert chips["door"] == FULL.replace("&camera=door", "")
    assert all(text.startswith("?like=3") for text in chips.values())


def test_only_filters_count_as_filters():
    assert not SearchAddress(like=3).filtered
    assert SearchAddress(cameras=("door",)).filtered


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("like=x", "`like` must be the number of a sighting. Received: x"),
        ("quality=2", "the quality must be from 0 to 1. Received: 2"),
        ("quality=nan", "the quality must be from 0 to 1. Received: nan"),
        ("quality=a", "the quality must be from 0 to 1. Received: a"),
        ("after=0001-01-01T00:00%2B14:00", "a time must be of the years 2 to 9998. Received: the year 1"),
        ("before=9999-12-31T23:59", "a time must be of the years 2 to 9998. Received: the year 9999"),
        ("after=soon", "a time must look like 2026-11-29T08:30. Received: soon"),
    ],
)
def test_mistakes(query, message):
    with pytest.raises(ServiceError, match="^" + message.replace(".", r"\.")) as caught:
        SearchAddress.read(QueryParams(query)).filters(BERLIN)
    assert caught.value.status == 400


def test_times_the_wrong_way_round():
    with pytest.raises(UserError, match="`before` must be later than `after`"):
        SearchAddress(after="2026-11-02T00:00", before="2026-11-01T00:00").filters(BERLIN)


@pytest.mark.parametrize(
    ("text", "key"), [("#17", 17), ("17", "17"), (" Anna ", "Anna"), ("", None), ("#", "#"), ("#१", "#१")]
)
def test_whom_somebody_typed(text, key):
    assert identity_key(text) == key
