import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from keras_reid import UserError
from keras_reid.tracks import Boxes, write_tracks
from keras_reid.tracks.frames import open_frames
from keras_reid.tracks.tracklets import crops as crops_module
from keras_reid.tracks.tracklets.making import _tracklet_of_boxes, make_tracks
from tests.tracks.cameras import COLOURS, IDENTITY, SIZE, Colours, draw_frames, moving_boxes

COUNT = 12


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video") / "hall"
    draw_frames(folder, moving_boxes(COUNT), COUNT)
    return open_frames(folder, fps=10)


def made(frames, boxes=None, embedder=None, **options):
    options = {"camera": "hall", "every": 0.3} | options
    boxes = moving_boxes(COUNT) if boxes is None else boxes
    return make_tracks(frames, boxes, embedder or Colours(), IDENTITY, **options)


def test_each_track_becomes_a_tracklet(frames):
    tracks = made(frames)
    assert (tracks.camera, tracks.fps, tracks.frame_size, tracks.model) == ("hall", 10, SIZE, IDENTITY)
    assert tracks.tracklets.track.tolist() == [1, 2]
    assert tracks.tracklets.first_frame.tolist() == [0, 0]
    assert tracks.tracklets.last_frame.tolist() == [COUNT - 1] * 2
    assert tracks.tracklets.last_second.tolist() == pytest.approx([1.1, 1.1])
    assert tracks.box_tracklet.tolist() == [0, 1] * COUNT
    assert len(tracks.crops) == 2 * 4  # 1.1 seconds in windows of 0.3
    np.testing.assert_allclose(tracks.crops.seconds, tracks.boxes.frame[tracks.crops.box] / 10)
    # The crop shows the track's colour and nothing else.
    assert tracks.tracklets.embedding.argmax(1).tolist() == [0, 1]
    picture = np.asarray(Image.open(io.BytesIO(tracks.tracklets.pictures[1])))
    assert picture.shape == (32, 16, 3)
    assert picture.mean((0, 1)).argmax() == 1
    assert COLOURS[1][1] == max(COLOURS[1])


def test_crops_are_what_boxes_cover_of_the_frame(frames, monkeypatch):
    seen = []
    monkeypatch.setattr(crops_module, "sharpness", lambda crop: seen.append(crop) or 0.5)
    boxes = Boxes.sorted([0, 4], [1, 2], [[-5, 8.2, 10.5, 90], [2, 8, 9, 20]])
    made(frames, boxes)
    (first,) = frames.read([0])
    np.testing.assert_array_equal(seen[0], first.pixels[8:48, 0:11])
    assert [crop.shape for crop in seen] == [(40, 11, 3), (12, 7, 3)]


def test_a_track_that_is_never_visible_has_no_tracklet(frames):
    boxes = Boxes.sorted([0, 0, 1], [1, 2, 2], [[2, 8, 9, 20], [99, 8, 120, 20], [-9, 8, -1, 20]])
    tracks = made(frames, boxes)
    assert tracks.tracklets.track.tolist() == [1]
    assert tracks.box_tracklet.tolist() == [0, -1, -1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ([0, 40], [[2, 8, 9, 20]] * 2),
            r"1 of 2 boxes are in frames beyond the end of .*12 frames; the last box is in frame 40.*--first-frame",
        ),
        (
            ([0], [[0.1, 0.2, 0.3, 0.9]]),
            r"all 1 boxes lie outside of the frames of .*64 × 48 pixels; the first is 0.1, 0.2 to 0.3, 0.9",
        ),
        (([0], [[80, 0, 99, 9]]), "all 1 boxes lie outside of the frames"),
        (([], []), "boxes: holds no boxes"),
    ],
)
def test_boxes_of_another_video_are_refused(frames, rows, said):
    embedder = Colours()
    with pytest.raises(UserError, match=said):
        made(frames, Boxes.sorted(rows[0], [1] * len(rows[0]), rows[1]), embedder)
    assert embedder.embedded == 0


def test_after_a_kill_the_rest_is_made_and_all_is_equal(frames, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(crops_module, "CHUNK", 3)
    write_tracks(tmp_path / "whole.npz", made(frames))
    embedder = Colours(most=6)
    with pytest.raises(KeyboardInterrupt):
        made(frames, embedder=embedder, partial=tmp_path / "part")
    assert embedder.embedded == 8
    again = Colours()
    write_tracks(tmp_path / "resumed.npz", made(frames, embedder=again, partial=tmp_path / "part"))
    assert again.embedded == 2
    assert "6 of 8 crops are there from before" in capsys.readouterr().err
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "resumed.npz").read_bytes()


@pytest.mark.parametrize("change", ["boxes", "every", "model", "frames"])
def test_other_input_begins_anew(change, frames, tmp_path, capsys):
    made(frames, partial=tmp_path / "part")
    boxes = Boxes.sorted([0], [1], [[2, 8, 9, 20]]) if change == "boxes" else moving_boxes(COUNT)
    model = dataclasses.replace(IDENTITY, fingerprint="d" * 32) if change == "model" else IDENTITY
    other = open_frames(frames.name, fps=5) if change == "frames" else frames
    embedder = Colours()
    every = 0.5 if change == "every" else 0.3
    tracks = make_tracks(other, boxes, embedder, model, camera="hall", every=every, partial=tmp_path / "part")
    assert embedder.embedded == len(tracks.crops)
    assert "was made of other input, and is made anew" in capsys.readouterr().err


def test_frames_that_cannot_be_read_stop_it_or_are_left_out(tmp_path, capsys):
    draw_frames(tmp_path / "hall", moving_boxes(COUNT), COUNT)
    (tmp_path / "hall" / "000002.png").write_bytes(b"hello")
    Image.new("RGB", (9, 9)).save(tmp_path / "hall" / "000003.png")
    frames = open_frames(tmp_path / "hall", fps=10)
    with pytest.raises(UserError, match=r"000002.png: not a JPEG, PNG or BMP image. --skip-bad leaves such"):
        made(frames, every=0)
    tracks = made(frames, every=0, skip_bad=True, partial=tmp_path / "part")
    assert len(tracks.crops) == 2 * (COUNT - 2)
    said = capsys.readouterr().err
    assert "left out: " in said
    assert "000003.png: is 9 × 9 pixels, and the first frame 64 × 48" in said
    assert "4 of 24 crops are in frames that cannot be read" in said
    with pytest.raises(UserError, match=r"4 of 24 crops are in frames that cannot be read. --skip-bad"):
        made(frames, every=0, partial=tmp_path / "part")
    for file in (tmp_path / "hall").iterdir():
        if file.name != "000001.png":
            file.write_bytes(b"hello")
    only = Boxes.sorted([1, 2], [1, 1], [[2, 8, 9, 20]] * 2)
    with pytest.raises(UserError, match=r"none of 2 crops can be read. Is the video damaged"):
        made(open_frames(tmp_path / "hall", fps=10), only, every=0, skip_bad=True)


def test_boxes_between_crops_belong_to_the_nearest():
    boxes = Boxes.sorted([*range(6), 2], [1] * 6 + [2], [[0, 0, 9, 9]] * 7)
    rows = boxes.frame, boxes.track
    crops = np.flatnonzero((rows[1] == 1) & np.isin(rows[0], [1, 4]))
    found = _tracklet_of_boxes(boxes, crops, np.array([5, 6]))
    assert found[rows[1] == 1].tolist() == [5, 5, 5, 6, 6, 6]
    assert found[rows[1] == 2].tolist() == [-1]
    one = _tracklet_of_boxes(boxes, crops[:1], np.array([5]))
    assert one[rows[1] == 1].tolist() == [5] * 6


def test_a_process_at_a_time_makes_a_file(frames, tmp_path):
    from keras_reid.tracks.tracklets.partial import Partial

    with Partial(tmp_path / "part", {}), pytest.raises(UserError, match=r"process \d+ is writing there"):
        made(frames, partial=tmp_path / "part")
    (tmp_path / "link").symlink_to(tmp_path / "part")
    with pytest.raises(UserError, match="must be a folder of yours: remove it"):
        made(frames, partial=tmp_path / "link")


def test_only_own_files_are_removed(frames, tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files other than crops: remove it"):
        made(frames, partial=tmp_path / "part")
    assert (tmp_path / "part" / "thesis.txt").read_text() == "mine"


def test_an_error_before_the_first_chunk_leaves_nothing(frames, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(frames, embedder=Colours(most=0), partial=tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("kept", [0, 5, 300])
def test_what_a_damaged_disk_spoils_is_made_again(kept, frames, tmp_path, monkeypatch):
    monkeypatch.setattr(crops_module, "CHUNK", 3)
    whole = made(frames, partial=tmp_path / "part")
    spoiled = tmp_path / "part" / "000001.npz"
    spoiled.write_bytes(spoiled.read_bytes()[:kept] or b"hello")
    again = Colours()
    tracks = made(frames, embedder=again, partial=tmp_path / "part")
    assert again.embedded == len(whole.crops) - 3
    np.testing.assert_array_equal(tracks.crops.embedding, whole.crops.embedding)
