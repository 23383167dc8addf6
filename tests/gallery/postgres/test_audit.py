import dataclasses
import datetime
import uuid

import pytest

from keras_reid.gallery.postgres.audit import Entry, _hash, verified
from keras_reid.utils.errors import UserError


def chain(count):
    rows, before = [], bytes(32)
    for number in range(1, count + 1):
        at = datetime.datetime(2026, 1, number, tzinfo=datetime.UTC)
        entry = Entry(number, at, "enrol", (uuid.UUID(int=number),), {"sightings": number}, b"")
        entry = dataclasses.replace(entry, hash=_hash(before, entry))
        rows.append(entry)
        before = entry.hash
    return rows


def test_a_chain_holds_whatever_zone_its_times_are_read_in():
    rows = chain(5)
    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert list(verified(rows)) == rows
    assert len(list(verified(dataclasses.replace(row, at=row.at.astimezone(zone)) for row in rows))) == 5
    assert list(verified([])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"action": "forget"},
        {"subjects": ()},
        {"facts": {"sightings": 7}},
        {"at": datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)},
        {"hash": bytes(32)},
    ],
)
def test_a_changed_row_is_named(change):
    rows = chain(5)
    rows[2] = dataclasses.replace(rows[2], **change)
    with pytest.raises(UserError, match="row 3 does not fit"):
        list(verified(rows))


def test_a_missing_row_is_named():
    rows = chain(5)
    with pytest.raises(UserError, match="row 2 is missing"):
        list(verified(rows[:1] + rows[2:]))
