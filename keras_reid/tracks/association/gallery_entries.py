"""Enrols associated tracklets in a gallery's store: one identity for each, whatever the camera."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.gallery.postgres import rows
from keras_reid.gallery.protocol import NewIdentity, NewSighting
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.images import Keep
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.tracks.association.associating import Association
    from keras_reid.tracks.records import Tracks

MOST = 10_000  # tracklets: what a store takes in one transaction


@dataclasses.dataclass(frozen=True)
class EnrolledTracklets:
    """What `enrol_tracklets` did.

    Args:
        tracklets: how many were added.
        known: how many were enrolled already, and passed over.
        identities: how many identities were made.
    """

    tracklets: int
    known: int
    identities: int


def enrol_tracklets(
    store: PostgresStore,
    tracks: Sequence[Tracks],
    association: Association,
    prefix: str | None = None,
    keep: Keep = "thumbnails",
) -> EnrolledTracklets:
    """Enrols each tracklet as a sighting: its embedding, its best picture with its time and quality, its camera.

    Tracklets of one identity become sightings of one. All are added, or none. A tracklet that is enrolled already is
    passed over, and stays with the identity it has in the store, where somebody may have moved it; new tracklets of
    its identity join it there, or the store's identity that holds most of them.

    Args:
        store: opened with the model of the tracks.
        tracks: of one camera each.
        association: of these.
        prefix: new identities are named PREFIX1, PREFIX2 …, by their numbers in the association; None: not at all.
        keep: what to keep of the pictures (`keras_reid.gallery.images.kept_image`).

    Raises:
        UserError: there are more than 10 000 tracklets, a name is taken, or see `PostgresStore.add`.
    """
    from keras_reid.gallery.images import kept_image

    check_count(tracks)
    identity = np.concatenate([np.zeros(0, np.int64), *association.identity])
    digests = [digest for one in tracks for digest in tracklet_digests(one)]
    known = store.database.run(lambda connection: rows.identities_of(connection, digests))
    goes_to: dict[int, str | int | NewIdentity] = {}
    for number in np.unique(identity).tolist():
        members = [
            known[digests[place]] for place in np.flatnonzero(identity == number) if digests[place] in known
        ]
        if members:
            most = max(Counter(members).values())
            goes_to[number] = min(one for one, count in Counter(members).items() if count == most)
        else:
            goes_to[number] = NewIdentity() if prefix is None else f"{prefix}{number}"
    _check_names(store, [one for one in goes_to.values() if isinstance(one, str)])
    places = [(one, row) for one in tracks for row in range(len(one.tracklets))]
    best = np.concatenate([np.zeros(0, np.int64), *(one.crops.best() for one in tracks)])
    new = [
        NewSighting(
            one.tracklets.embedding[row],
            goes_to[number],
            one.camera,
            None
            if one.start is None
            else one.start + datetime.timedelta(seconds=float(one.crops.seconds[crop])),
            _source(one, row),
            float(one.crops.quality[crop]),
            None,
            kept_image(one.tracklets.pictures[row], keep),
            digest,
        )
        for (one, row), number, crop, digest in zip(places, identity.tolist(), best, digests, strict=True)
        if digest not in known
    ]
    ids = store.add(new) if new else []
    added = sum(one is not None for one in ids)
    made = {sighting.identity for sighting in new if not isinstance(sighting.identity, int)}
    return EnrolledTracklets(added, len(digests) - added, len(made))


def check_count(tracks: Sequence[Tracks]) -> None:
    """Refuses more tracklets than a store takes at once.

    Raises:
        UserError: there are more than 10 000.
    """
    count = sum(len(one.tracklets) for one in tracks)
    if count > MOST:
        raise UserError(
            f"at most {MOST:,} tracklets can be enrolled at once. Received: {count:,}. Associate the videos in parts."
        )


def tracklet_digests(tracks: Tracks) -> list[bytes]:
    """A digest for each tracklet, by which a store knows it again: of the camera, the start, and the tracklet's boxes.

    Other samples of crops, another model or another name of the video do not change it.
    """
    boxes, digests = tracks.boxes, []
    about = json.dumps([tracks.camera, tracks.start and tracks.start.timestamp()]).encode()
    order = np.argsort(tracks.box_tracklet, kind="stable")
    starts = np.searchsorted(tracks.box_tracklet[order], np.arange(len(tracks.tracklets) + 1))
    for first, end in itertools.pairwise(starts.tolist()):
        mine = order[first:end]
        digest = hashlib.sha256(b"keras_reid tracklet " + about)
        digest.update(boxes.frame[mine].astype("<i8").tobytes())
        digest.update(boxes.xyxy[mine].astype("<f4").tobytes())
        digests.append(digest.digest())
    return digests


def _source(tracks, row):
    known = tracks.tracklets
    first, last = known.first_second[row], known.last_second[row]
    return f"{tracks.source}, track {known.track[row]}, {first:.1f} to {last:.1f} s"


def _check_names(store, names):
    taken = store.database.run(
        lambda connection: connection.execute(
            "SELECT name FROM identities WHERE name = ANY(%s) ORDER BY id LIMIT 1", [names]
        ).fetchone()
    )
    if taken:
        raise UserError(
            f"{store.name}: has an identity {taken[0]!r} already, which may be somebody else. Choose another --prefix."
        )
