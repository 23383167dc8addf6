import subprocess
import sys

import pytest

from keras_reid import recipes
from keras_reid.data import CSV, Market1501, VeRi
from keras_reid.experiment import load_experiment, smoke
from tests.conftest import ROOT

KINDS = ("person", "vehicle", "folder", "csv")


@pytest.fixture
def made(command, tmp_path):
    """`made("folder")` → the experiment in the file that the command writes as mine.py."""

    def make(kind):
        command("init", kind, "mine", cwd=tmp_path)
        return load_experiment(tmp_path / "mine.py")

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_an_experiment(kind, made, tmp_path):
    experiment = made(kind)
    assert experiment.name == "mine"
    assert smoke(experiment)[0].name == "mine-smoke"
    text = (tmp_path / "mine.py").read_text()
    assert "NAME" not in text.replace("FILENAME", "")
    assert "    keras-reid fit mine.py --smoke  " in text
    assert text.count("  # ") > 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_has_our_style(kind, made, tmp_path):
    made(kind)
    for check in (("check",), ("format", "--check")):
        words = [sys.executable, "-m", "ruff", *check, "--config", ROOT / "ruff.toml", tmp_path / "mine.py"]
        process = subprocess.run(words, capture_output=True, text=True)
        assert process.returncode == 0, process.stdout


def test_benchmarks_are_those_of_the_recipes(made, tmp_path):
    """The files say in full what the recipes say."""
    assert made("person") == recipes.bot("mine", Market1501())
    (tmp_path / "mine.py").unlink()
    assert made("vehicle") == recipes.vehicle_sbs("mine", VeRi())


def test_own_images_have_one_recipe(made, tmp_path):
    of_folders = made("folder")
    (tmp_path / "mine.py").unlink()
    of_table = made("csv")
    assert isinstance(of_table.data.dataset, CSV)
    assert of_table == of_folders.with_changes({"data.dataset": of_table.data.dataset})
    assert of_folders.model.backbone.pretrained == "imagenet"


def test_it_says_what_to_do_next(command, tmp_path):
    printed = command("init", "csv", "mine.py", cwd=tmp_path).stdout
    assert printed == "mine.py: read its comments, and try it: keras-reid fit mine.py --smoke\n"
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]


def test_an_existing_file_is_kept(command, tmp_path):
    (tmp_path / "mine.py").write_text("# mine\n")
    finished = command("init", "folder", "mine", cwd=tmp_path, ok=False)
    assert finished.returncode == 2
    assert finished.stderr == "error: mine.py exists already: choose another name, or move it away\n"
    assert (tmp_path / "mine.py").read_text() == "# mine\n"


@pytest.mark.parametrize("name", ["a/b", "my run", "", ".py"])
def test_a_name_that_is_none(name, command, tmp_path):
    finished = command("init", "folder", name, cwd=tmp_path, ok=False)
    assert finished.returncode == 2
    assert "NAME names the file and the run's folder" in finished.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind(command, tmp_path):
    finished = command("init", "animal", "mine", cwd=tmp_path, ok=False)
    assert finished.returncode == 2
    assert "folder" in finished.stderr
