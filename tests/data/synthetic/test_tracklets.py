"""Synthetic tracklets: which crops are bad, and that boxes, crops and truth go together."""

import hashlib
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_reid.data.synthetic import drawn_set, tracklets
from keras_reid.data.synthetic.tracklets import (
    FRAME,
    Severity,
    TrackletSet,
    TrackletStudio,
    draw_tracklets,
    read_tracklets,
)
from keras_reid.utils.errors import UserError

SMALL = TrackletSet(identities=4, cameras=2, seed=3, share=0.4, length=(3, 5), height=(40, 64))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracklets")
    draw_tracklets(folder, SMALL)
    return folder


def only(kind, **others):
    """Severity with one kind of bad crops."""
    kinds = dict.fromkeys(("person", "thing", "cut", "other", "nobody"), 0.0)
    return Severity(**(kinds | {kind: 1.0, "company": 0.0} | others))


def studio(kind, **others):
    return TrackletStudio(
        TrackletSet(identities=4, cameras=1, height=(48, 64), severity=only(kind, **others))
    )


def test_the_share_of_bad_crops_is_as_asked_and_they_come_in_runs():
    place = TrackletStudio(TrackletSet(identities=600, cameras=1))
    walks = [place.walk(identity, 1) for identity in range(1, 601)]
    for share in (0.15, 0.3):
        bad = [walk.danger < share for walk in walks]
        assert abs(np.concatenate(bad).mean() - share) < 0.035
        after_bad = np.concatenate([one[1:][one[:-1]] for one in bad])
        assert after_bad.mean() > 1.5 * share
    assert {len(walk.danger) for walk in walks} == {8, 9, 10, 11, 12}


def test_a_run_of_bad_crops_is_in_one_episode():
    walk = TrackletStudio(TrackletSet(length=(40, 40))).walk(1, 1)
    together = (walk.danger[1:] < 0.3) & (walk.danger[:-1] < 0.3)
    assert together.any()
    assert (np.diff(walk.episode)[together] == 0).all()
    assert walk.episode.max() > 3


def test_bad_crops_of_a_small_share_are_among_those_of_a_larger_one(drawn):
    def bad(share):
        return {row["file"] for row in read_tracklets(drawn, share) if row["kind"] != "good"}

    assert bad(0.0) == set()
    assert bad(0.2) <= bad(0.4)
    assert bad(0.4)
    assert len(read_tracklets(drawn, 0.0)) == len(read_tracklets(drawn, 0.4))


def test_files_are_crops_of_their_boxes(drawn):
    for row in read_tracklets(drawn, 0.4):
        with Image.open(drawn / row["file"]) as image:
            left, top, right, bottom = row["box"]
            assert abs(image.width - (right - left)) <= 1, row
            assert abs(image.height - (bottom - top)) <= 1, row
        assert left >= 0
        assert top >= 0
        assert right <= FRAME[1]
        assert bottom <= FRAME[0]


def test_a_frame_belongs_to_one_tracklet(drawn):
    owner = {}
    for row in read_tracklets(drawn, 0.4):
        assert owner.setdefault((row["camera"], row["frame"]), row["identity"]) == row["identity"]


@pytest.mark.medium
def test_the_crops_do_not_depend_on_the_number_of_processes(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_set, "cores", lambda: 2)
    monkeypatch.setattr(tracklets, "WORTH_A_PROCESS", 10)
    draw_tracklets(tmp_path, SMALL, processes=2)

    def digests(folder):
        files = sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
        }

    assert digests(tmp_path) == digests(drawn)


def test_settings_survive_json():
    other = TrackletSet(seed=5, height=(40, 50), severity=Severity(hidden=(0.5, 0.6), persistence=0.1))
    assert tracklets._of_json(json.loads(json.dumps(tracklets.asdict(other)))) == other


def test_a_person_in_front_has_a_lower_box_that_covers_this_one():
    place = studio("person", detected=1.0, hidden=(0.6, 0.8))
    for number in range(4):
        good, bad = (place.take(1, 1, number, bad) for bad in (False, True))
        assert (bad.kind, bad.shows, len(bad.others), len(good.others)) == ("person", 1, 1, 0)
        other = bad.others[0]
        assert other[3] > bad.box[3]
        assert abs(other[0] - bad.box[0]) < 0.6 * (bad.box[2] - bad.box[0])
        changed = np.abs(np.asarray(good.image, float) - np.asarray(bad.image, float)).mean(-1) > 20
        assert changed.mean() > 0.15


def test_who_is_behind_stands_higher_and_is_beside():
    place = TrackletStudio(
        TrackletSet(identities=4, cameras=1, height=(48, 64), severity=Severity(company=1.0, detected=1.0))
    )
    crop = place.take(1, 1, 0, bad=False)
    assert crop.kind == "good"
    assert crop.others[0][3] < crop.box[3]
    assert abs(crop.others[0][0] - crop.box[0]) > 0.25 * (crop.box[2] - crop.box[0])


def test_without_a_detection_there_is_no_box():
    assert len(studio("person", detected=0.0).take(1, 1, 0, bad=True).others) == 0


def test_an_object_hides_a_part_and_has_no_box():
    crop = studio("thing").take(1, 1, 0, bad=True)
    assert (crop.kind, crop.shows, len(crop.others)) == ("thing", 1, 0)


def test_a_cut_crop_is_smaller_and_keeps_what_it_shows():
    place = studio("cut", left=(0.5, 0.5))
    for identity in range(1, 5):
        good, bad = (place.take(identity, 1, 0, bad) for bad in (False, True))
        area = bad.image.width * bad.image.height
        assert 0.45 < area / (good.image.width * good.image.height) < 0.55
        whole, part = np.asarray(good.image), np.asarray(bad.image)
        corners = [whole[: part.shape[0], : part.shape[1]], whole[-part.shape[0] :, -part.shape[1] :]]
        assert any(np.array_equal(part, corner) for corner in corners)


def test_the_box_may_be_around_somebody_else_or_nobody():
    crop = studio("other").take(1, 1, 0, bad=True)
    assert crop.kind == "other"
    assert crop.shows in (2, 3, 4)
    assert studio("nobody").take(1, 1, 0, bad=True).shows == 0


def test_the_same_person_as_in_the_synthetic_set():
    assert TrackletStudio(SMALL)._person(2).outfit.top == _of_studio(3, 2).outfit.top
    np.testing.assert_array_equal(
        TrackletStudio(SMALL)._person(2).outfit.top_colour, _of_studio(3, 2).outfit.top_colour
    )


def _of_studio(seed, identity):
    from keras_reid.data.synthetic.studio import Studio

    return Studio("person", seed)._subject(identity)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"identities": 1}, "at least 2 identities, 1 camera and a seed from 0. Received: identities=1,"),
        ({"cameras": 0}, "Received: .*cameras=0"),
        ({"seed": -1}, "Received: .*seed=-1"),
        ({"share": 0.6}, r"`share` of bad crops must be 0 … 0.5. Received: share=0.6"),
        ({"length": (5, 3)}, r"`length` must be \(least, largest\).* Received: length=\(5, 3\)"),
        ({"height": (8, 64)}, r"`height` from 32 to 800 pixels. Received: .*height=\(8, 64\)"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        TrackletSet(**arguments)
