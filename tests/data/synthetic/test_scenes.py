"""Scenes as they are written."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from keras_reid.data.synthetic import Scene, TrackerFaults
from keras_reid.data.synthetic.person import Person
from keras_reid.data.synthetic.streams import stream
from keras_reid.utils.errors import UserError

SMALL = {"cameras": 2, "identities": 2, "seed": 1, "seconds": 1.0, "fps": 1.0, "size": (90, 160)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "scene"
    return Scene(**SMALL).draw(folder), folder


def mot(file):
    return np.array([[float(value) for value in line.split(",")] for line in file.read_text().splitlines()])


def test_the_files_of_a_scene(scene):
    reported, folder = scene
    frames = {name: sorted(path.name for path in (folder / name).iterdir()) for name in reported}
    assert list(frames) == ["cam1", "cam2"]
    assert frames["cam1"] == frames["cam2"]
    assert frames["cam1"][0] == "000001.jpg"
    for name, boxes in reported.items():
        with Image.open(folder / name / "000001.jpg") as picture:
            assert picture.size == (160, 90)
        told, true = mot(folder / f"{name}.txt"), mot(folder / "truth" / f"{name}.txt")
        assert told.shape[1] == 10
        assert true.shape[1] == 9
        np.testing.assert_array_equal(told[:, 0], boxes.frame + 1)
        np.testing.assert_array_equal(told[:, 1], boxes.track)
        np.testing.assert_allclose(told[:, 2:4] + told[:, 4:6], boxes.xyxy[:, 2:], atol=0.02)
        assert 1 <= true[:, 0].min() <= true[:, 0].max() <= len(frames[name])
        assert set(true[:, 1]) <= {1, 2}
        assert (true[:, 8] <= 1).all()
        with open(folder / "truth" / f"{name}_tracks.csv", newline="") as file:
            rows = [tuple(map(int, row.values())) for row in csv.DictReader(file)]
        assert rows == list(zip(boxes.frame + 1, boxes.track, boxes.identity, strict=True))
    assert (folder / "travel.csv").read_text().startswith("from,to,seconds\ncam1,cam2,")
    assert "frameRate=1\n" in (folder / "seqinfo.ini").read_text()
    about = json.loads((folder / "scene.json").read_text())
    assert about["settings"]["identities"] == 2
    assert about["settings"]["faults"]["jitter"] == TrackerFaults().jitter


def test_the_same_settings_give_the_same_scene(scene, tmp_path):
    _, folder = scene
    (tmp_path / "again").mkdir()  # an empty folder may be there
    Scene(**SMALL).draw(tmp_path / "again")
    for file in sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes(), file


def test_people_are_where_their_boxes_are():
    one = Scene(**{**SMALL, "size": (180, 320)})
    view, frames = one._views[0], one._plan()[0]
    frame = next(steps for steps in frames if steps)
    people = [(_person(step), step, np.random.default_rng(0)) for step in frame]
    picture, seen = view.take(people, np.random.default_rng(1))
    empty, nobody = view.take([], np.random.default_rng(1))
    assert nobody == []
    changed = np.abs(np.asarray(picture, float) - np.asarray(empty, float)).max(2) > 25
    rows, columns = np.nonzero(changed)
    _, box, visible = seen[0]
    assert visible == 1
    assert len(seen) == 1
    inside = (columns >= box[0] - 2) & (columns <= box[2] + 2) & (rows >= box[1] - 2) & (rows <= box[3] + 4)
    assert inside.mean() > 0.95
    assert changed.sum() > 0.15 * (box[2] - box[0]) * (box[3] - box[1])


def test_who_is_nearer_hides_the_other():
    one = Scene(**{**SMALL, "size": (180, 320)})
    view = one._views[0]
    step = next(steps for steps in one._plan()[0] if steps)[0]
    behind = dataclasses.replace(step, identity=2, x=0.0, z=10.0)
    front = dataclasses.replace(step, identity=1, x=0.0, z=6.0)
    for order in ((front, behind), (behind, front)):
        people = [(_person(one), one, np.random.default_rng(0)) for one in order]
        (_, box, visible), (_, other, hidden) = view.take(people, np.random.default_rng(1))[1]
        assert visible == 1
        assert hidden < 0.6
        assert box[3] - box[1] > 1.3 * (other[3] - other[1])


def _person(step):
    return Person(stream(0, "scene", "identity", step.identity))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cameras": 0}, "`cameras` of a scene must be an integer, at least 1. Received: 0"),
        ({"seed": -1}, "`seed` of a scene must be an integer, at least 0. Received: -1"),
        ({"fps": 0.0}, "`fps` of a scene must be above 0. Received: 0.0"),
        ({"size": (91, 160)}, r"`size` of a scene must be \(height, width\), even.*\(91, 160\)"),
        ({"domain": "dusk"}, "`domain` of a scene must be one of 'day', 'evening'. Received: 'dusk'"),
        ({"faults": TrackerFaults(missed=1.5)}, "`missed` of a tracker must be at least 0, at most 1"),
        ({"faults": TrackerFaults(jitter=-1)}, "`jitter` of a tracker must be at least 0. Received: -1"),
    ],
)
def test_bad_settings(changes, message):
    with pytest.raises(UserError, match=message):
        Scene(**changes)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match=r"exists already\. Name a new folder"):
        Scene(**SMALL).draw(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_reid.data.synthetic.scenes._write_mot", full)
    with pytest.raises(OSError, match="No space"):
        Scene(**{**SMALL, "cameras": 1, "identities": 1}).draw(tmp_path / "new" / "scene")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.medium
def test_the_command_writes_videos(command, tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed")
    done = command(
        "data.synthetic", "scene", tmp_path / "walk", "--cameras", "1", "--identities", "2", "--seconds", "1",
        "--fps", "4", "--video", "--missed", "0", "--seed", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 people" in done.stdout
    boxes = mot(tmp_path / "walk" / "cam1.txt")
    with av.open(str(tmp_path / "walk" / "cam1.mp4")) as container:
        track = container.streams.video[0]
        assert (track.width, track.height, float(track.average_rate)) == (640, 360, 4.0)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(track)]
    assert len(frames) == boxes[:, 0].max()
    assert sorted(path.name for path in (tmp_path / "walk").iterdir()) == [
        "cam1.mp4", "cam1.txt", "scene.json", "travel.csv", "truth",
    ]  # fmt: skip
