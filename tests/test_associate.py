import csv
import dataclasses
import json

import pytest

from keras_reid import gallery
from keras_reid.associate import main
from keras_reid.gallery.model_identity import PREPROCESSING, ModelIdentity
from keras_reid.tracks import write_tracks
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import fingerprint
from tests.gallery.conftest import private_folder, private_server  # noqa: F401
from tests.tracks.scene import DIM, calibration, model_file, tracks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A calibrated model, and tracks of two cameras that it made: three people, two of whom were in both."""
    monkeypatch.chdir(tmp_path)
    file = model_file(tmp_path / "model.keras", calibration().to_metadata())
    model = ModelIdentity("runs/tests", fingerprint(file), DIM, PREPROCESSING)
    write(model, "door", [(0, 0, 20), (1, 10, 40)])
    write(model, "hall", [(2, 0, 20), (0, 200, 230), (1, 300, 330)])
    return tmp_path


def write(model, camera, seen, name=None, **options):
    write_tracks(f"{name or camera}.npz", tracks(camera, seen, model=model, **options))


def refused(*arguments):
    with pytest.raises(UserError) as error:
        main(list(arguments))
    return str(error.value)


def test_boxes_get_global_ids(folder, capsys):
    main(["door.npz", "hall.npz", "--model", "model.keras"])
    said = capsys.readouterr()
    assert said.out.startswith("3 identities of 5 tracklets in 2 cameras; 2 of them in several cameras. ")
    assert "(estimated); 3 pairs are impossible\n" in said.out
    assert said.err == ""
    rows = list(csv.DictReader((folder / "identities/identities.csv").read_text().splitlines()))
    assert [(row["identity"], row["camera"], row["track"]) for row in rows] == [
        ("1", "door", "1"), ("1", "hall", "2"), ("2", "door", "2"), ("2", "hall", "3"), ("3", "hall", "1"),
    ]  # fmt: skip
    ids = {line.split(",")[1] for line in (folder / "identities/hall.txt").read_text().splitlines()}
    assert ids == {"1", "2", "3"}


def test_a_folder_stands_for_its_files_and_json_for_the_summary(folder, capsys):
    main(
        [".", "--model", "model.keras", "--output", "ids", "--json", "--prior", "0.1", "--probability", "0.6"]
    )
    about = json.loads(capsys.readouterr().out)
    assert (about["identities"], about["in_several_cameras"], about["prior"]) == (3, 2, 0.1)
    assert about["files"] == ["ids/door.txt", "ids/hall.txt", "ids/identities.csv"]
    assert about["enrolled"] is None
    assert [row["identity"] for row in about["tracklets"]] == [1, 1, 2, 2, 3]


def test_travel_times_keep_people_apart(folder, capsys):
    (folder / "travel.csv").write_text("from,to,seconds\ndoor,hall,60\n")
    main(["door.npz", "hall.npz", "--model", "model.keras", "--travel", "travel.csv", "--json"])
    assert json.loads(capsys.readouterr().out)["identities"] == 5  # the videos last less than 60 s


def test_views_may_overlap(folder, capsys):
    model = ModelIdentity("runs/tests", fingerprint(folder / "model.keras"), DIM, PREPROCESSING)
    write(model, "yard", [(0, 0, 20)])
    arguments = ["door.npz", "yard.npz", "--model", "model.keras", "--json", "--prior", "0.3"]
    main(arguments)
    main([*arguments, "--overlapping", "door", "yard"])
    first, second = capsys.readouterr().out.split("\n}\n")[:2]
    assert [json.loads(text + "}")["identities"] for text in (first, second)] == [3, 2]


def test_without_start_times_it_says_so(folder, capsys):
    model = ModelIdentity("runs/tests", fingerprint(folder / "model.keras"), DIM, PREPROCESSING)
    write(model, "yard", [(0, 0, 20)], start=None)
    main(["door.npz", "yard.npz", "--model", "model.keras"])
    said = capsys.readouterr().err
    assert said.startswith(
        "no start time: yard. Tracklets there are not compared with other cameras' by time"
    )
    (folder / "travel.csv").write_text("from,to,seconds\ndoor,yard,60\n")
    said = refused("door.npz", "yard.npz", "--model", "model.keras", "--travel", "travel.csv")
    assert said.startswith("travel times need the time at which each video starts. Received: none for yard.")


def test_mistakes_are_named_before_anything_is_written(folder):
    model = ModelIdentity("runs/tests", fingerprint(folder / "model.keras"), DIM, PREPROCESSING)
    write(model, "door", [(0, 0, 20)], name="again")
    (folder / "empty").mkdir()
    both, of = ("door.npz", "hall.npz"), ("--model", "model.keras")
    assert refused(*of).startswith("name at least one file of tracks, before the options")
    assert refused("none.npz", *of).startswith("none.npz: there is no such file of tracks.")
    assert refused("empty", *of) == "empty: the folder holds no file of tracks (.npz)"
    assert "again.npz: is of the camera 'door', and so is door.npz: each file" in refused(
        "door.npz", "again.npz", *of
    )
    assert refused(*both, *of, "--probability", "1").startswith("the probability must lie between 0 and 1")
    assert refused(*both, *of, "--prior", "0").startswith("the prior is the share of same pairs")
    assert (
        refused(*both, *of, "--prefix", "visitor")
        == "--prefix names identities in a store: name it with --store"
    )
    assert (
        refused(*both, *of, "--output", "door.npz")
        == "--output must be a folder. Received: door.npz, which is a file"
    )
    assert "there is no camera 'yard'. The cameras are door, hall." in refused(
        *both, *of, "--overlapping", "yard"
    )
    assert refused(*both, *of, "--handover", "-1").startswith(
        "the handover must be a number of seconds from 0"
    )
    assert not (folder / "identities").exists()


def test_models_must_be_the_same_and_calibrated(folder):
    both = ("door.npz", "hall.npz")
    other = model_file(folder / "other.keras", calibration().to_metadata(), b"others")
    said = refused(*both, "--model", "other.keras")
    ours, theirs = fingerprint(other)[:8], fingerprint(folder / "model.keras")[:8]
    assert said.startswith(
        f"door.npz: its embeddings are of the model runs/tests ({theirs}), and --model names other.keras ({ours})."
    )
    write(ModelIdentity("runs/others", fingerprint(other), DIM, PREPROCESSING), "yard", [(0, 0, 20)])
    said = refused("door.npz", "yard.npz", "--model", "model.keras")
    assert said.startswith(
        f"yard.npz: its embeddings are of the model runs/others ({ours}), and --model names model.keras"
    )
    model_file(folder / "plain.keras")
    said = refused(*both, "--model", "plain.keras")
    assert said.startswith(
        "plain.keras: the model is not calibrated, and identities need its probabilities. Run `keras-"
    )
    model_file(folder / "flip.keras", dataclasses.replace(calibration(), flip=True).to_metadata())
    said = refused(*both, "--model", "flip.keras")
    assert "made with preprocessing '1', and the calibration is for '1, flip'" in said
    assert not (folder / "identities").exists()


@pytest.mark.medium
def test_a_second_run_enrols_nothing_again(folder, private_folder, capsys):  # noqa: F811
    arguments = [
        "door.npz",
        "hall.npz",
        "--model",
        "model.keras",
        "--store",
        str(private_folder),
        "--prefix",
        "visitor ",
    ]
    main(arguments)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"5 tracklets enrolled in {private_folder}, 3 new identities"
    main(arguments)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"0 tracklets enrolled in {private_folder}, 0 new identities; 5 were enrolled already"
    with gallery.open(private_folder) as store:
        assert store.count() == gallery.Counts(3, 5)
        assert {one.camera for one in store.get("visitor 1").sightings} == {"door", "hall"}


@pytest.mark.medium
def test_a_store_of_another_model_is_refused(folder, private_folder):  # noqa: F811
    with gallery.open(private_folder, ModelIdentity("runs/others", "b" * 32, DIM)):
        pass
    said = refused("door.npz", "hall.npz", "--model", "model.keras", "--store", str(private_folder))
    assert "its embeddings are of the model runs/others (bbbbbbbb), and this is runs/tests" in said
    assert not (folder / "identities").exists()
