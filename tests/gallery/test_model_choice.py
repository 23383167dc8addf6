import json
import os
import zipfile

import pytest

from keras_reid.gallery.model_choice import choose_model
from keras_reid.utils.errors import UserError


def run(name, time, smoke=False, finished=True):
    folder = f"runs/{name}"
    os.makedirs(folder)
    with zipfile.ZipFile(f"{folder}/model.keras", "w"):
        pass
    if finished:
        with open(f"{folder}/metrics.json", "w") as file:
            file.write("{}")
        os.utime(f"{folder}/metrics.json", (time, time))
    with open(f"{folder}/command.json", "w") as file:
        json.dump({"smoke": smoke}, file)
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_newest_finished_run_that_is_no_smoke_run():
    run("old", 10)
    newest = run("new", 20)
    run("quick", 30, smoke=True)
    run("unfinished", 40, finished=False)
    os.makedirs("runs/other")
    chosen, why = choose_model(None)
    assert chosen == newest
    assert why.startswith("the newest finished run")


def test_what_is_named_comes_first_then_what_the_index_was_made_with(folder):
    run("new", 20)
    old = run("old", 10)
    file = folder / old / "model.keras"
    (folder / "index").mkdir()
    (folder / "index" / "store.json").write_text(json.dumps({"about": {"model_file": str(file)}}))
    assert choose_model(None, "index") == (str(file), "that of the index; --model names another")
    assert choose_model("runs/new", "index") == ("runs/new", "as named")
    file.unlink()
    assert choose_model(None, "index")[0] == "runs/new"
    (folder / "index" / "store.json").write_text("[")
    assert choose_model(None, "index")[0] == "runs/new"
    assert choose_model(None, "no index")[0] == "runs/new"


def test_the_index_remembers_the_run(folder):
    run("new", 20)
    old = folder / run("old", 10)
    (folder / "index").mkdir()
    (folder / "index" / "store.json").write_text(json.dumps({"about": {"model": str(old)}}))
    assert choose_model(None, "index") == (str(old), "that of the index; --model names another")
    (old / "model.keras").unlink()
    assert choose_model(None, "index")[0] == "runs/new"
    (folder / "index" / "store.json").write_text("[" * 5000)
    assert choose_model(None, "index")[0] == "runs/new"


def test_nothing_to_choose_from():
    with pytest.raises(UserError, match=r"no finished run in runs/: name .* with --model, or train one"):
        choose_model(None)
    with pytest.raises(UserError, match="there is no such run directory"):
        choose_model("runs/no")
