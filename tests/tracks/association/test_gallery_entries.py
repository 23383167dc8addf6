import datetime

import numpy as np
import pytest

from keras_reid import gallery
from keras_reid.tracks.association import Association, gallery_entries
from keras_reid.tracks.association.gallery_entries import enrol_tracklets, tracklet_digests
from keras_reid.utils.errors import UserError
from tests.gallery.conftest import private_folder, private_server  # noqa: F401
from tests.tracks.scene import MODEL, START, only, person, tracks


def cameras(*more):
    return [tracks("door", [(0, 0, 9), (1, 5, 30)]), tracks("hall", [(1, 100, 104)]), *more]


def found(*identities):
    parts = tuple(np.array(one) for one in identities)
    return Association(parts, tuple(np.full(len(one), np.nan) for one in parts), 0.1)


def test_a_tracklet_is_known_again_by_its_boxes():
    door = cameras()[0]
    digests = tracklet_digests(door)
    assert len(set(digests)) == 2
    assert {len(one) for one in digests} == {32}
    assert (
        tracklet_digests(tracks("door", [(5, 0, 9), (6, 5, 30)])) == digests
    )  # other embeddings and pictures
    assert not set(digests) & set(tracklet_digests(tracks("hall", [(0, 0, 9), (1, 5, 30)])))
    late = START + datetime.timedelta(hours=1)
    assert not set(digests) & set(tracklet_digests(tracks("door", [(0, 0, 9), (1, 5, 30)], start=late)))
    shorter = only(door, door.boxes.frame < 25)
    assert [one == other for one, other in zip(tracklet_digests(shorter), digests, strict=True)] == [
        True,
        False,
    ]


@pytest.mark.medium
def test_tracklets_of_an_identity_become_sightings_of_one(private_folder):  # noqa: F811
    with gallery.open(private_folder, MODEL) as store:
        done = enrol_tracklets(store, cameras(), found([1, 2], [2]))
        assert (done.tracklets, done.known, done.identities) == (3, 0, 2)
        assert store.count() == gallery.Counts(2, 3)
        ((first, second),) = store.search([person(1)], top=2)
        assert first.identity == second.identity
        one = store.get(first.identity)
        assert one.name is None
        (door, hall) = sorted(one.sightings, key=lambda sighting: sighting.camera)
        assert (door.camera, hall.camera) == ("door", "hall")
        # The first of the best crops, frame 10 at 5 frames a second.
        assert door.time == START + datetime.timedelta(seconds=2)
        assert door.quality == pytest.approx(0.8)
        assert door.source == "door.mp4, track 2, 1.0 to 6.0 s"
        assert door.image is not None

        again = enrol_tracklets(store, cameras(), found([1, 2], [2]), prefix="visitor ")
        assert (again.tracklets, again.known, again.identities) == (0, 3, 0)
        assert store.count() == gallery.Counts(2, 3)


@pytest.mark.medium
def test_new_tracklets_join_those_that_are_enrolled(private_folder):  # noqa: F811
    with gallery.open(private_folder, MODEL) as store:
        enrol_tracklets(store, cameras(), found([1, 2], [2]), prefix="visitor ", keep="nothing")
        yard = tracks("yard", [(1, 300, 320), (4, 300, 320)])
        done = enrol_tracklets(
            store, cameras(yard), found([1, 2], [2], [2, 3]), prefix="visitor ", keep="nothing"
        )
        assert (done.tracklets, done.known, done.identities) == (2, 3, 1)
        assert {one.camera for one in store.get("visitor 2").sightings} == {"door", "hall", "yard"}
        assert [one.camera for one in store.get("visitor 3").sightings] == ["yard"]


@pytest.mark.medium
def test_a_name_that_is_taken_enrols_nothing(private_folder):  # noqa: F811
    with gallery.open(private_folder, MODEL) as store:
        store.add([gallery.NewSighting(person(7), "visitor 2")])
        with pytest.raises(
            UserError, match=r"has an identity 'visitor 2' already, .* Choose another --prefix"
        ):
            enrol_tracklets(store, cameras(), found([1, 2], [2]), prefix="visitor ", keep="nothing")
        assert store.count() == gallery.Counts(1, 1)


def test_too_many_are_refused(monkeypatch):
    monkeypatch.setattr(gallery_entries, "MOST", 2)
    with pytest.raises(UserError, match=r"at most 2 tracklets can be enrolled at once. Received: 3"):
        gallery_entries.check_count(cameras())
