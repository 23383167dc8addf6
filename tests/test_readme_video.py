"""README's three commands from video to identities, exactly as they are printed."""

import contextlib
import http.client
import json
import shlex
import signal
import subprocess
import sys
import time

import pytest

from keras_reid.tracks import read_tracks
from tests import documentation as doc
from tests.conftest import ROOT
from tests.gallery.servers import open_folder

README = doc.section((ROOT / "README.md").read_text(encoding="utf-8"), "From video to identities")
TRACKS, ASSOCIATE, SERVE = doc.shell_lines(README)
SCENE = next(
    shlex.split(code)
    for code in doc.spans(README)
    if code.startswith("python -m keras_reid.data.synthetic scene")
)


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return content


@contextlib.contextmanager
def served(folder):
    """The port of README's service, on any free port."""
    words = [sys.executable, "-m", "keras_reid", *SERVE[1:], "--port", "0"]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            assert line, (folder / "log").read_text()
            yield int(json.loads(line)["url"].rpartition(":")[2])
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
            process.stdout.close()


def check_gallery(port, tracklets, cameras):
    """The gallery's page and its programs' interface show the tracklets, some people in both cameras."""
    listed = json.loads(ask(port, "/v1/identities"))["identities"]
    people = [json.loads(ask(port, f"/v1/identities/{one['id']}")) for one in listed]
    sightings = [sighting for one in people for sighting in one["sightings"]]
    assert len(sightings) == tracklets
    assert {one["camera"] for one in sightings} == cameras
    assert all(one["time"].startswith("2026-11-02T08:0") for one in sightings)
    both = [one for one in people if {sighting["camera"] for sighting in one["sightings"]} == cameras]
    assert both
    assert len(people) < tracklets
    page = ask(port, "/identities").decode()
    assert all(f"/identities/{one['id']}" in page for one in listed)
    shown = ask(port, f"/identities/{both[0]['id']}").decode()
    assert all(camera in shown for camera in cameras)
    assert shown.count("/pictures/") >= len(both[0]["sightings"])


def run_readme(command, folder):
    """Runs the first two commands in a folder that has the model and the videos; returns the number of tracklets."""
    command("tracks", *TRACKS[2:], cwd=folder)
    command("associate", *ASSOCIATE[2:], cwd=folder)
    return sum(len(read_tracks(file).tracklets) for file in (folder / "tracks").glob("*.npz"))


def save_colour_model(folder):
    """A calibrated model that looks at the colours of eight stripes of an image."""
    import keras

    from keras_reid.evaluation.calibration import Calibration
    from keras_reid.heads import LinearHead
    from keras_reid.models import ReIDModel

    stripes = keras.Sequential(
        [keras.Input((32, 16, 3)), keras.layers.AveragePooling2D((4, 16)), keras.layers.Reshape((1, 1, 24))]
    )
    model = ReIDModel(stripes, keras.layers.GlobalAveragePooling2D(), LinearHead(2), image_size=(32, 16))
    model.metadata.update(
        Calibration(
            *("cosine", False, 0.1, [0.0, 0.2, 0.5, 2.0], [6.0, 3.0, -3.0, -6.0], 0.9, 0.1, 0.2, 1e-3),
            *({}, {}, [], {}),
        ).to_metadata()
    )
    (folder / "runs" / "quickstart").mkdir(parents=True)
    model.save(folder / "runs" / "quickstart" / "model.keras")


@pytest.mark.medium
def test_three_commands_from_video_to_the_page(command):
    pytest.importorskip("av", reason="PyAV is not installed")
    with open_folder() as folder:
        save_colour_model(folder)
        few = ("--identities", "3", "--seconds", "4", "--fps", "2", "--seed", "5")
        command("data.synthetic", *SCENE[3:], *few, cwd=folder)
        tracklets = run_readme(command, folder)
        assert tracklets >= 4
        with served(folder) as port:
            check_gallery(port, tracklets, {"cam1", "cam2"})


@pytest.mark.slow
def test_the_quickstart_finds_people_across_cameras_within_five_minutes(command):
    """With the model that `make quickstart` trains, and the videos that README draws."""
    pytest.importorskip("av", reason="PyAV is not installed")
    with open_folder() as folder:
        command.process("fit", ROOT / "experiments" / "quickstart.py", cwd=folder)
        command.process("calibrate", "runs/quickstart", cwd=folder)
        start = time.monotonic()
        command.process(SCENE[2].removeprefix("keras_reid."), *SCENE[3:], cwd=folder)
        tracklets = run_readme(command, folder)
        with served(folder) as port:
            check_gallery(port, tracklets, {"cam1", "cam2"})
            assert time.monotonic() - start < 300
