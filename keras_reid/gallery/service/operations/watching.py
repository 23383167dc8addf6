"""The watch list, and what happened to those on it."""

from __future__ import annotations

from keras_reid.gallery.postgres import watches as rows
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.operations.open_gallery import (
    OpenGallery,
    camera_list,
    changeable,
    check_count,
    visible,
)
from keras_reid.gallery.service.records import Watch, WatchEvent
from keras_reid.gallery.service.service_error import ServiceError


def watch(gallery: OpenGallery, caller: Caller, identity: int, distance: float | None = None) -> Watch:
    """Puts an identity on the watch list, or changes its distance. Role: enrol.

    Args:
        gallery: the gallery.
        caller: who asks.
        identity: its number.
        distance: 0 … 2. None: the calibration's threshold, or 0 without a calibration; with 0, only sightings that are
            enrolled as this identity, or are the same picture, raise events.
    """
    caller.require("enrol")
    if distance is None:
        calibration = gallery.calibration
        distance = (
            calibration.threshold if calibration is not None and calibration.metric == "cosine" else 0.0
        )
    if not 0 <= distance <= 2:
        raise ServiceError(400, f"`distance` must be 0 to 2. Received: {distance}")

    def work(connection):
        changeable(connection, caller, [identity])
        rows.put(connection, identity, distance, caller.name)
        return connection.execute(
            "SELECT w.identity, i.name, w.distance, w.by, w.since FROM watches w JOIN identities i "
            "ON i.id = w.identity WHERE w.identity = %s",
            [identity],
        ).fetchone()

    return Watch(*gallery.store.database.run(work))


def unwatch(gallery: OpenGallery, caller: Caller, identity: int) -> None:
    """Takes an identity off the watch list. Role: enrol.

    Raises:
        ServiceError: 404 if it is not on it.
    """
    caller.require("enrol")

    def work(connection):
        changeable(connection, caller, [identity])
        return rows.remove(connection, identity)

    if not gallery.store.database.run(work):
        raise ServiceError(404, f"the identity {identity} is not on the watch list")


def watches(gallery: OpenGallery, caller: Caller) -> list[Watch]:
    """The watch list, newest first; for a caller who is limited to cameras, those whom they may see. Role: view."""
    caller.require("view")

    def work(connection):
        found = []
        for row in rows.all_rows(connection):
            try:
                visible(connection, caller, row[0])
            except ServiceError:
                continue
            found.append(Watch(*row))
        return found

    return gallery.store.database.run(work)


def events(gallery: OpenGallery, caller: Caller, after: int = 0, count: int = 100) -> list[WatchEvent]:
    """What happened to those on the watch list, oldest first; of the caller's cameras, and of those whom they may see.
    Role: view.

    Args:
        gallery: the gallery.
        caller: who asks.
        after: only events with a larger number.
        count: most to give, 1 … 200.
    """
    caller.require("view")
    check_count(count)
    found = gallery.store.database.run(
        lambda connection: rows.events(connection, after, count, camera_list(caller))
    )
    return [WatchEvent(*row) for row in found]


def latest_events(gallery: OpenGallery, caller: Caller, count: int = 20) -> list[WatchEvent]:
    """What happened last to those on the watch list, newest first; otherwise as `events`. Role: view."""
    caller.require("view")
    check_count(count)
    found = gallery.store.database.run(
        lambda connection: rows.latest_events(connection, count, camera_list(caller))
    )
    return [WatchEvent(*row) for row in found]
