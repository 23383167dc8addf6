import dataclasses
import datetime
import json

import numpy as np
import pytest

from keras_reid import UserError
from keras_reid.tracks import read_tracks, write_tracks
from tests.tracks.cameras import IDENTITY, small_tracks
from tests.tracks.scene import tracks

START = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


def test_what_is_written_is_read(tmp_path):
    model = dataclasses.replace(IDENTITY, calibration={"flip": False})
    tracks = small_tracks(start=START, model=model)
    write_tracks(tmp_path / "hall.npz", tracks)
    read = read_tracks(tmp_path / "hall.npz")
    for name in ("camera", "start", "fps", "frame_size", "source", "model"):
        assert getattr(read, name) == getattr(tracks, name)
    assert read.start.utcoffset() == START.utcoffset()
    assert read.model.calibration == {"flip": False}
    assert read.tracklets.pictures == (b"JPEG",)
    np.testing.assert_array_equal(read.box_tracklet, tracks.box_tracklet)
    for part in ("boxes", "crops", "tracklets"):
        for field in dataclasses.fields(getattr(tracks, part)):
            if field.name != "pictures":
                one, other = (getattr(getattr(each, part), field.name) for each in (read, tracks))
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype


def test_the_same_tracks_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_tracks(tmp_path / name, small_tracks())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_name_must_say_what_it_is(tmp_path):
    with pytest.raises(UserError, match=r"must end in .npz. Received: .*hall.tracks"):
        write_tracks(tmp_path / "hall.tracks", small_tracks())


def changed(file, **changes):
    """Writes the file again with other arrays; None takes one away."""
    with np.load(file) as archive:
        arrays = dict(archive) | changes
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def about(file, **changes):
    with np.load(file) as archive:
        text = json.dumps(json.loads(archive["about"].tobytes()) | changes)
    changed(file, about=np.frombuffer(text.encode(), np.uint8))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda file: about(file, version=2),
            "is of version 2 of the format, and this keras_reid reads version 1",
        ),
        (
            lambda file: about(file, kind="x"),
            "is not a file of tracks. `keras-reid tracks` writes such files",
        ),
        (lambda file: about(file, start="soon"), "is not a file of tracks, or is damaged"),
        (lambda file: changed(file, about=None), "is not a file of tracks"),
        (
            lambda file: changed(file, about=np.frombuffer(b"{", np.uint8)),
            "is damaged, because it is not valid JSON",
        ),
        (lambda file: changed(file, **{"boxes.frame": None}), "is not a file of tracks, or is damaged"),
        (
            lambda file: changed(file, **{"boxes.frame": np.array([-1, 0])}),
            "is damaged: boxes.frame must be at least 0. Received: -1 in row 0",
        ),
        (
            lambda file: changed(file, picture_ends=np.array([9])),
            "is damaged: its pictures do not have the lengths",
        ),
        (
            lambda file: changed(file, box_tracklet=np.array([{}, {}], object)),
            "is not a file of tracks, or is damaged",
        ),
        (lambda file: file.write_bytes(b"hello"), "is not a file of tracks, or is damaged"),
        (lambda file: file.write_bytes(b""), "is damaged. Make it again"),
        (lambda file: file.write_bytes(file.read_bytes()[:-30]), "is damaged. Make it again"),
        (
            lambda file: file.write_bytes(file.read_bytes().replace(b"JPEG", b"jpeg")),
            "is damaged. Make it again",
        ),
    ],
)
def test_damaged_and_other_files_are_refused_by_name(damage, said, tmp_path):
    file = tmp_path / "hall.npz"
    write_tracks(file, small_tracks())
    damage(file)
    with pytest.raises(UserError, match=said) as refused:
        read_tracks(file)
    assert str(file) in str(refused.value)


def test_a_file_of_embeddings_is_refused(tmp_path):
    np.savez(tmp_path / "embeddings.npz", embeddings=np.eye(2))
    with pytest.raises(UserError, match=r"embeddings.npz: is not a file of tracks"):
        read_tracks(tmp_path / "embeddings.npz")


def test_a_camera_that_saw_nobody(tmp_path):
    write_tracks(tmp_path / "hall.npz", tracks("hall", []))
    assert len(read_tracks(tmp_path / "hall.npz").tracklets) == 0
