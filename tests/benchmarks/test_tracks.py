"""The benchmark from video to identities: its baselines, scores and rows."""

import csv
import pathlib
import sys
import types

import numpy as np
import pytest

from keras_reid.tracks import Boxes
from tests.benchmarks import import_benchmark


@pytest.fixture(scope="module")
def association():
    return import_benchmark("tracks_association")


def footage(association, embeddings, cameras, owners):
    """A scene in which each tracklet has two boxes, one tracklet after the other."""
    embeddings, cameras, owners = np.asarray(embeddings, float), np.asarray(cameras), np.asarray(owners)
    embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    tracks, truth = [], {}
    for camera in np.unique(cameras):
        mine = np.flatnonzero(cameras == camera)
        frame = np.arange(2 * len(mine))
        tracklet = np.repeat(np.arange(len(mine)), 2)
        xyxy = np.tile([0, 0, 10, 20], (len(frame), 1)).astype("float32")
        name = f"cam{camera}"
        tracks.append(
            types.SimpleNamespace(
                camera=name,
                boxes=Boxes(frame, tracklet, xyxy, np.ones(len(frame), "float32")),
                box_tracklet=tracklet,
                tracklets=types.SimpleNamespace(embedding=embeddings[mine], track=mine),
            )
        )
        truth[name] = association.Labelled(frame, owners[mine][tracklet], xyxy)
    own = [owners[cameras == camera] for camera in np.unique(cameras)]
    return association.Footage(pathlib.Path(), tracks, truth, own)


NEAR, TURNED = [1, 0.1, 0], [0, 1, 0.1]


def test_mutual_neighbours(association):
    scene = footage(association, [[1, 0, 0], NEAR, [0, 1, 0], TURNED], [0, 1, 0, 1], [1, 1, 2, 2])
    # Tracklets are numbered by camera: 0 and 2 in the first, 1 and 3 in the second.
    assert association.mutual_neighbours(scene, 0.1, False).tolist() == [0, 1, 0, 1]
    assert association.mutual_neighbours(scene, 0.0, False).tolist() == [0, 1, 2, 3]
    forbidden = np.array([[0, 2]])
    labels = association.mutual_neighbours(scene, 0.1, False, forbidden)
    assert labels[0] != labels[2]
    assert labels[1] == labels[3]


def test_neighbours_of_the_same_camera(association):
    scene = footage(association, [[1, 0, 0], NEAR, [0, 1, 0]], [0, 0, 1], [1, 1, 2])
    assert association.mutual_neighbours(scene, 0.1, False).tolist() == [0, 1, 2]
    assert association.mutual_neighbours(scene, 0.1, True).tolist() == [0, 0, 1]


def test_scores(association):
    scene = footage(association, [[1, 0], [1, 0], [0, 1]], [0, 1, 1], [1, 1, 2])
    assert scene.scores(np.array([5, 5, 6])) == (1, 1)
    idf1, pairs = scene.scores(np.array([5, 6, 7]))
    assert idf1 == pytest.approx(4 / 6)
    assert pairs == 0


def test_the_better_box_counts_where_an_identity_has_two(association):
    frame, tracklet = np.array([0, 0]), np.array([0, 1])
    xyxy = np.array([[0, 0, 10, 20], [50, 0, 60, 20]], "float32")
    one = types.SimpleNamespace(
        camera="cam0",
        boxes=Boxes(frame, tracklet, xyxy, np.array([0.5, 0.9], "float32")),
        box_tracklet=tracklet,
        tracklets=types.SimpleNamespace(embedding=np.eye(2), track=tracklet),
    )
    truth = {"cam0": association.Labelled(frame[:1], np.array([1]), xyxy[1:])}
    scene = association.Footage(pathlib.Path(), [one], truth, [np.array([1, 1])])
    assert scene.scores(np.array([3, 3]))[0] == pytest.approx(
        2 / 3
    )  # one of two boxes, and the only true one


def test_the_threshold_is_the_best_of_other_scenes(association):
    scene = footage(association, [[1, 0, 0], [1, 0.5, 0], [0, 0, 1], [0, 1, 1]], [0, 1, 0, 1], [1, 1, 2, 3])
    best = association.best_threshold([scene], False, False)
    joined = 1 - 1 / np.sqrt(1.25)
    assert joined < best < 1 - 1 / np.sqrt(2) + 0.02


def test_rows_of_other_parts_stay(tmp_path, monkeypatch):
    tracks = import_benchmark("tracks")

    def measure(seeds, model, cache):
        for seed in seeds:
            yield {"seed": seed, "measure": f"points of {model} in {cache}", "value": 1 / 3, "limit": ">= 3"}

    for part in ("tracklets", "albums"):
        monkeypatch.setitem(sys.modules, f"tracks_{part}", types.SimpleNamespace(measure=measure))
    monkeypatch.setattr(tracks, "machine", lambda: dict.fromkeys(tracks.MACHINE, "x"))
    output = tmp_path / "tracks.csv"
    common = ["--seeds", "1", "2", "--model", "m", "--cache", "c", "--output", str(output)]
    tracks.main(["--only", "tracklets", *common])
    tracks.main(["--only", "albums", *common])
    tracks.main(["--only", "albums", *common])  # replaces its own
    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["part"], row["seed"], row["value"]) for row in rows] == [
        (part, seed, "0.3333") for part in ("tracklets", "albums") for seed in ("1", "2")
    ]
    assert rows[0]["measure"] == "points of m in c"
