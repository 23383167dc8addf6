import csv
import dataclasses

import numpy as np
import pytest

from keras_reid.tracks.association import Association
from keras_reid.tracks.association.identity_files import global_ids, write_identities
from keras_reid.tracks.boxes import read_boxes
from tests.tracks.scene import tracks


def two_cameras():
    cameras = [tracks("door", [(0, 0, 9), (1, 5, 30)]), tracks("hall", [(1, 100, 104)], start=None)]
    identity = (np.array([1, 2]), np.array([2]))
    return cameras, Association(identity, (np.array([np.nan, 0.97126]), np.array([0.97126])), 0.1)


def test_all_boxes_are_written_with_global_ids(tmp_path):
    cameras, association = two_cameras()
    files = write_identities(tmp_path / "identities", cameras, association)
    assert [file.name for file in files] == ["door.txt", "hall.txt", "identities.csv"]
    for one, identity, file in zip(cameras, association.identity, files[:2], strict=True):
        read = read_boxes(file, "mot")
        assert np.array_equal(read.frame, one.boxes.frame)
        assert np.array_equal(read.track, identity[one.box_tracklet])
        np.testing.assert_allclose(read.xyxy, one.boxes.xyxy, atol=0.01)
        np.testing.assert_allclose(read.score, 0.9)
    assert files[0].read_text().startswith("1,1,10.00,10.00,20.00,50.00,0.9,-1,-1,-1\n")


def test_the_table_has_a_row_for_each_tracklet(tmp_path):
    cameras, association = two_cameras()
    *_, table = write_identities(tmp_path, cameras, association)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    first = {
        "identity": "1",
        "camera": "door",
        "tracklet": "0",
        "track": "1",
        "crops": "10",
        "probability": "",
    }
    times = {"first": "2026-06-01T12:00:00.000+00:00", "last": "2026-06-01T12:00:01.800+00:00"}
    assert rows[0] == first | times
    assert [(row["identity"], row["camera"], row["probability"]) for row in rows[1:]] == [
        ("2", "hall", "0.9713"),
        ("2", "door", "0.9713"),
    ]
    assert (rows[1]["first"], rows[1]["last"]) == (
        "20.000",
        "20.800",
    )  # without a start: seconds of the video


def test_no_spreadsheet_computes_the_name_of_a_camera(tmp_path):
    door, association = tracks("=1+1", [(0, 0, 9)]), Association((np.array([1]),), (np.array([np.nan]),), 0.1)
    *_, table = write_identities(tmp_path, [door], association)
    assert "1,'=1+1,0," in table.read_text()


def test_an_id_is_once_in_a_frame_and_no_box_is_without():
    door = tracks("door", [(0, 0, 20), (0, 15, 50), (1, 0, 50)])
    door = dataclasses.replace(
        door, box_tracklet=np.where(door.boxes.frame == 3, -1, door.box_tracklet)
    )  # as if those could not be embedded
    hall = tracks("hall", [(0, 0, 9)])
    (ids, others) = global_ids([door, hall], Association((np.array([1, 1, 2]), np.array([1])), (), 0.1))
    for frame in range(51):
        here = ids[door.boxes.frame == frame]
        assert len(set(here.tolist())) == len(here)
    assert (others == 1).all()
    assert (ids[(door.box_tracklet == 1)] == 1).all()  # the longer one keeps the id where both are
    met = (door.box_tracklet == 0) & (door.boxes.frame >= 15)
    assert set(ids[met].tolist()) == {3}
    assert (ids[(door.box_tracklet == 0) & ~met] == 1).all()
    assert set(ids[door.boxes.frame == 3].tolist()) == {3, 4}


def test_earlier_files_are_replaced_and_others_stay(tmp_path):
    cameras, association = two_cameras()
    (tmp_path / "door.txt").write_text("old")
    (tmp_path / "notes").write_text("mine")
    write_identities(tmp_path, cameras, association)
    assert "old" not in (tmp_path / "door.txt").read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "door.txt",
        "hall.txt",
        "identities.csv",
        "notes",
    ]


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    cameras, association = two_cameras()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_reid.tracks.association.identity_files.to_disk", full)
    with pytest.raises(OSError, match="No space left"):
        write_identities(tmp_path / "identities", cameras, association)
    assert list(tmp_path.iterdir()) == []
