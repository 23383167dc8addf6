import json
import shutil

import numpy as np
import pytest

from keras_reid.doctor import main
from keras_reid.evaluation.analysis import model_findings
from keras_reid.utils.errors import UserError
from tests.data.doctor.test_copies import image, near_copy


@pytest.fixture
def folder(tmp_path):
    """Four identities, seen by two cameras; the experiment file and the root say the same."""
    for place in range(16):
        image(tmp_path / "mine" / f"id{place // 4}" / f"{place % 2}_{place}.jpg", place)
    (tmp_path / "mine.py").write_text(
        "from keras_reid import experiment as ex\nfrom keras_reid.data import Folder\n"
        "experiment = ex.Experiment(name='own', data=ex.Data(dataset=Folder('mine', test_identities=0)))\n"
    )
    return tmp_path


def test_what_cannot_be_examined_is_refused(folder):
    for arguments, message in (
        ([], "FILE.py|FOLDER"),
        (["nowhere"], "a folder of images or an experiment file.*Received: nowhere, which does not exist"),
        (["nowhere.py"], "experiment file 'nowhere.py' does not exist"),
        ([str(folder / "mine" / "id0" / "0_0.jpg")], "an experiment file that ends in .py. Received"),
        (
            [str(folder / "mine"), "--output", "page.pdf"],
            "must be a file that ends in .html. Received: page.pdf",
        ),
        ([str(folder / "mine"), "--model", "runs/none"], "runs/none"),
        ([str(folder / "mine"), "--root", str(folder)], "--root is for an experiment file"),
    ):
        with pytest.raises(UserError, match=message):
            main(arguments)


def test_a_clean_folder(folder, command):
    finished = command("doctor", folder / "mine", "--strict", cwd=folder)
    assert "mine: nothing found in 16 images" in finished.stdout
    assert "page with the pictures: doctor-mine.html" in finished.stdout
    assert "Nothing found" in (folder / "doctor-mine.html").read_text()


def test_findings_are_printed_written_and_drawn(folder, command):
    shutil.copy(folder / "mine/id0/0_0.jpg", folder / "mine/id1/1_copy.jpg")
    near_copy(folder / "mine/id3/1_near.jpg", folder / "mine/id2/0_8.jpg")
    (folder / "mine/id2/0_broken.jpg").write_bytes(b"\xff\xd8\xff")
    arguments = ["mine.py", "--root", folder, "--json", "found.json", "--output", "page.html"]
    finished = command("doctor", *arguments, cwd=folder)
    written = json.loads((folder / "found.json").read_text())
    mine = folder / "mine"
    assert written["duplicates"] == [
        [str(mine / "id0/0_0.jpg"), str(mine / "id1/1_copy.jpg")],
        [str(mine / "id2/0_8.jpg"), str(mine / "id3/1_near.jpg")],
    ]
    assert written["near_duplicates"] == written["duplicates"][1:]
    assert written["unreadable"] == [str(mine / "id2/0_broken.jpg")]
    assert (written["subject"], written["severity"]) == ("own", "error")
    words = " ".join(finished.stdout.replace("│", " ").split())
    assert "1 of 19 images cannot be read" in words
    assert "have two identities" in words
    assert "Copies under two identities" in (folder / "page.html").read_text()
    strict = command("doctor", *arguments, "--strict", cwd=folder, ok=False)
    assert (strict.returncode, strict.stderr.count("error:")) == (1, 0)


@pytest.mark.medium
def test_a_model_names_wrong_identities(smoke_run, command, tmp_path, monkeypatch):
    """By given embeddings, as the smoke run's model has learned nothing."""
    centers = np.random.default_rng(0).normal(size=(20, 32))
    for place in range(160):
        image(tmp_path / "mine" / f"id{place // 8:02d}" / f"{place % 4}_{place:03d}.jpg", place)
    moved = (tmp_path / "mine/id00/1_001.jpg").rename(tmp_path / "mine/id07/1_001.jpg")

    def embed(model, paths, batch_size):
        assert model.image_size == (64, 32)
        shown = [int(path[-7:-4]) // 8 for path in paths]
        return centers[shown] + 0.3 * np.random.default_rng(1).normal(size=(len(paths), 32))

    monkeypatch.setattr(model_findings, "embed_paths", embed)
    (tmp_path / "own.py").write_text(
        "from keras_reid import experiment as ex\nfrom keras_reid.data import Folder\n"
        "experiment = ex.Experiment(name='own', data=ex.Data(dataset=Folder('mine', test_identities=0), root='.'))\n"
    )
    arguments = ["own.py", "--model", smoke_run[0], "--json", "found.json", "--strict"]
    finished = command("doctor", *arguments, cwd=tmp_path, ok=False)
    assert finished.returncode == 1, finished.stderr
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["suspect_identities"] == [str(moved.relative_to(tmp_path))]
    assert "labelled 'id07', which looks like 'id00'" in written["findings"][0]["sentence"]
    page = (tmp_path / "doctor-own.html").read_text()
    assert "labelled id07" in page
    assert "Likely wrong identities: training images of mine" in page
