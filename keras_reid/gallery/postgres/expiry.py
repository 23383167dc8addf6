"""Erases sightings that are older than they may be kept."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.gallery.postgres.erasure import erase
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore

MOST_LOOKED_FOR = 1000  # sightings whose traces are looked for: a random sample of more
_AGE = re.compile(r"(\d{1,6})\s*(h|d|w)")
_LONGEST = datetime.timedelta(days=365_000)  # before the calendar ends
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str) -> datetime.timedelta:
    """An age such as `30d`: a whole number of hours (h), days (d) or weeks (w).

    Raises:
        UserError: it is something else, or zero.

    Example:
        >>> parse_age("30d")
        datetime.timedelta(days=30)
    """
    match = _AGE.fullmatch(text.strip().lower())
    if match is None or not int(match[1]):
        raise UserError(
            f"an age must be a whole number above 0 with h, d or w, such as 30d or 12h. Received: {text!r}"
        )
    age = datetime.timedelta(**{_UNITS[match[2]]: int(match[1])})
    if age > _LONGEST:
        raise UserError(f"an age must be at most {_LONGEST.days}d. Received: {text!r}")
    return age


def expire(
    store: PostgresStore, older_than: datetime.timedelta, cameras: Sequence[str] = (), key: Path | None = None
) -> dict[str, Any] | None:
    """Erases the sightings that are older, and the identities that lose their last one with it.

    A sighting's age counts from its time; where none is known, from its enrolment. The rows go as in
    `erasure.forget`, out of the files too. Of more than 1000 sightings a random 1000 are looked for afterwards;
    the receipt says so under `counts`, as `sightings_looked_for`.

    Args:
        store: the store.
        older_than: the age.
        cameras: names; none: all cameras.
        key: as in `erasure.forget`.

    Returns:
        the signed receipt; None if nothing is so old.

    Raises:
        UserError: as `erasure.forget`; or a camera is unknown.

    Example:
        >>> expire(store, parse_age("30d"), ["entrance"])  # doctest: +SKIP
    """
    border = datetime.datetime.now(datetime.UTC) - older_than

    def choose(connection):
        known = {
            name: number
            for number, name in connection.execute(
                "SELECT id, name FROM cameras WHERE name = ANY(%s::text[])", [list(cameras)]
            ).fetchall()
        }
        for camera in cameras:
            if camera not in known:
                raise UserError(f"{store.name}: there is no camera {camera!r} in the store")
        # Both are locked, so that nobody adds a sighting to an identity that goes.
        old = connection.execute(
            "SELECT id, identity FROM sightings WHERE coalesce(seen, enrolled) < %(border)s"
            " AND (%(all)s OR camera = ANY(%(cameras)s::integer[])) ORDER BY id FOR UPDATE",
            {"border": border, "all": not cameras, "cameras": list(known.values())},
        ).fetchall()
        sightings = [number for number, _ in old]
        touched = sorted({identity for _, identity in old})
        connection.execute("SELECT 1 FROM identities WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [touched])
        left = {
            identity
            for (identity,) in connection.execute(
                "SELECT DISTINCT identity FROM sightings WHERE identity = ANY(%s) AND id <> ALL(%s)",
                [touched, sightings],
            ).fetchall()
        }
        looked_for = sightings
        if len(sightings) > MOST_LOOKED_FOR:
            looked_for = random.SystemRandom().sample(sightings, MOST_LOOKED_FOR)
        return [identity for identity in touched if identity not in left], sightings, looked_for

    return erase(store, "expire", choose, key)
