"""Mistakes of `keras-reid cluster`; tests/tracks/albums/test_album_store.py has what it does."""

import pytest
from PIL import Image

from keras_reid import cluster
from keras_reid.tracks.clustering import agglomeration
from keras_reid.utils.errors import UserError
from tests.evaluation.calibration.test_calibration import line
from tests.tracks.scene import model_file


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "missing must be a folder of images"),
        (["a.png"], "a.png must be a folder of images"),
        (["empty"], "empty: the folder holds no image"),
        (["album", "--output", "a.png"], "--output must be a folder. Received: a.png, which is a file"),
        (["album", "--batch-size", "0"], "--batch-size must be at least 1. Received: 0"),
        (["album", "--prior", "2"], "the prior is the share of same pairs .* Received: 2"),
        (["album", "--probability", "0"], "the probability must lie between 0 and 1. Received: 0"),
        (["album", "--store", "mysql://x/y"], "--store must be a folder or postgresql://"),
        (["album", "--model", "missing.keras"], "missing.keras"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    for folder in ("album", "empty"):
        (tmp_path / folder).mkdir()
    for name in ("a.png", "album/a.png"):
        Image.new("RGB", (8, 8)).save(name)
    monkeypatch.setattr("keras_reid.utils.command_line.load_tensorflow", None)
    with pytest.raises(UserError, match=said):
        cluster.main(["--model", "m.keras", *arguments])
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "album", "empty"}


def test_too_many_pictures(tmp_path, monkeypatch):
    for name in "abc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(agglomeration, "MOST", 2)
    with pytest.raises(UserError, match=r"at most 2 .* Received: 3"):
        cluster.main([str(tmp_path), "--model", "m.keras"])


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (None, r"m.keras: the model is not calibrated, .* Run `keras-reid calibrate m.keras` first"),
        (line(metric="euclidean"), r"is for euclidean distances, .*calibrate m.keras --metric cosine"),
    ],
)
def test_a_model_without_the_right_calibration(tmp_path, monkeypatch, calibration, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "album").mkdir()
    Image.new("RGB", (8, 8)).save("album/a.png")
    model_file("m.keras", calibration.to_metadata() if calibration else {})
    monkeypatch.setattr("keras_reid.utils.command_line.load_tensorflow", None)
    with pytest.raises(UserError, match=said):
        cluster.main(["album", "--model", "m.keras", "--output", "out"])
    assert not (tmp_path / "out").exists()
