"""`keras-reid tracks`."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_reid import UserError
from keras_reid.tracks import read_tracks
from keras_reid.tracks.__main__ import main
from tests.conftest import ROOT
from tests.tracks.cameras import draw_frames, moving_boxes, write_mot
from tests.tracks.frames.test_video import write as write_video


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two videos of 6 frames with their boxes, in the working directory; `model.keras` is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("hall", "door"):
        draw_frames(tmp_path / name / "img1", moving_boxes(6), 6)
        write_mot(tmp_path / f"{name}.txt", moving_boxes(6))
    (tmp_path / "model.keras").write_text("no model")
    (tmp_path / "tracks").mkdir()
    return tmp_path


ONE = ("hall/img1", "--boxes", "hall.txt", "--fps", "10")
BOTH = ("hall/img1", "door/img1", "--boxes", "hall.txt", "door.txt", "--fps", "10")
TO = ("--output", "tracks")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--boxes", "hall.txt", *TO), "name at least one video or folder of frames, before the options"),
        (("hall/img1", "door/img1", "--boxes", "hall.txt", *TO), "--boxes must name a file for each video.* 1 for 2"),
        ((*BOTH, "--output", "t.npz"), "--output must be a folder for several videos"),
        ((*ONE, "--output", "hall.txt"), r"--output must be a file that ends in .npz, or a folder"),
        ((*ONE, *TO, "--camera", "a", "b"), "--camera must name each of 1 cameras. Received: 2"),
        ((*ONE, *TO, "--camera", "a/b"), r"a camera's name must be printable, without '/'.*'a/b'"),
        ((*BOTH, *TO, "--camera", "a", "a"), "cameras must have different names. Received: 'a' twice"),
        ((*ONE, *TO, "--start", "2026-11-29T08:00"), "--start must have a time zone"),
        ((*BOTH, *TO, "--start", *["2026-11-29T08:00Z"] * 3), "one for each of 2 videos. Received: 3"),
        ((*ONE, *TO, "--most", "0"), "--most must be at least 1"),
        ((*ONE, *TO, "--every", "-1"), "--every must be 0 or more seconds"),
        (("hall/img1", "--boxes", "hall.txt", *TO), "a folder does not tell its frames per second. Give --fps"),
        (("a.mp4", "--boxes", "hall.txt", *TO, "--fps", "5"), "--fps is for folders of frames"),
        (("a.mp4", "--boxes", "hall.txt", *TO), r"a.mp4: there is no such video or folder of frames"),
        (("rtsp://door", "--boxes", "hall.txt", *TO), "live streams and addresses are not read"),
        (("tracks", "--boxes", "hall.txt", *TO, "--fps", "5"), "no images in tracks"),
        (("hall.txt", "--boxes", "hall.txt", *TO), r"hall.txt: is no video that can be read, or is damaged"),
        ((*ONE, *TO, "--first-frame", "0"), r"hall.txt: 2 of 12 boxes are in frames beyond the end of hall/img1"),
        ((*ONE, *TO, "--first-frame", "2"), r"hall.txt: line 1: the frame must be at least 2"),
        ((*ONE, *TO), "not a Keras model file"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_loaded(arguments, said, place):
    before = sorted(place.rglob("*"))
    with pytest.raises(UserError, match=said):
        main([*arguments, "--model", "model.keras"])
    assert sorted(place.rglob("*")) == before


def test_a_missing_file_of_boxes_is_named(place):
    with pytest.raises(FileNotFoundError, match=r"boxes.txt"):
        main(["hall/img1", "--boxes", "boxes.txt", "--fps", "5", "--model", "model.keras", *TO])


@pytest.mark.medium
def test_videos_become_files_of_tracks(place, command, smoke_run, load_once):
    write_video(place / "yard.mp4", 20)
    (place / "yard.csv").write_text("frame,id,x,y,w,h\n" + "".join(f"{n},3,4,2,20,28\n" for n in range(20)))
    arguments = [
        *("hall/img1", "yard.mp4", "--boxes", "hall.txt", "yard.csv", "--fps", "10", "--model", smoke_run[0]),
        *("--start", "2026-11-29T08:00+01:00", "--output", "tracks"),
    ]
    first = command("tracks", *arguments, cwd=place)
    assert "tracks/hall.npz: 2 tracklets of camera hall, of 6 crops of 12 boxes\n" in first.stdout
    assert sorted(file.name for file in (place / "tracks").iterdir()) == ["hall.npz", "yard.npz"]
    yard = read_tracks(place / "tracks" / "yard.npz")
    assert (yard.camera, yard.fps, yard.source, yard.frame_size) == ("yard", 10, "yard.mp4", (32, 48))
    assert yard.start.isoformat() == "2026-11-29T08:00:00+01:00"
    assert yard.tracklets.last_second.tolist() == pytest.approx([1.9])
    hall = read_tracks(place / "tracks" / "hall.npz")
    assert hall.model.key == yard.model.key
    from keras_reid.embedding import Embedder
    from keras_reid.models import load_model
    from keras_reid.tracks.frames import open_frames

    embedder = Embedder(load_model(smoke_run[0]), fingerprint=hall.model.fingerprint)
    box = hall.crops.box[0]
    left, top, right, bottom = hall.boxes.xyxy[box].astype(int)
    (frame,) = open_frames("hall/img1", 10).read([int(hall.boxes.frame[box])])
    one = embedder(frame.pixels[top:bottom, left:right])[0]
    np.testing.assert_allclose(one, hall.crops.embedding[0], atol=1e-5)
    content = (place / "tracks" / "hall.npz").read_bytes()
    command("tracks", *arguments, cwd=place)
    assert (place / "tracks" / "hall.npz").read_bytes() == content


@pytest.mark.slow
def test_a_killed_process_continues_and_ends_equal(tmp_path, command, smoke_run):
    boxes = moving_boxes(150, tracks=3)
    draw_frames(tmp_path / "hall", boxes, 150)
    write_mot(tmp_path / "hall.txt", boxes)
    arguments = ["hall", "--boxes", "hall.txt", "--fps", "10", "--every", "0", "--most", "150"]
    arguments += ["--model", str(smoke_run[0]), "--output"]
    command.process("tracks", *arguments, "whole.npz", cwd=tmp_path)
    words = [sys.executable, "-m", "keras_reid", "tracks", *arguments, "killed.npz"]
    with subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        while process.poll() is None and not (tmp_path / ".killed.tracks" / "000000.npz").exists():
            time.sleep(0.01)
        process.kill()
    assert not (tmp_path / "killed.npz").exists()
    again = command.process("tracks", *arguments, "killed.npz", cwd=tmp_path)
    assert "of 450 crops are there from before" in again.stderr
    assert (tmp_path / "killed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
