"""Commands and the code of a run: executed where `fit` has noted it, else refused by name, else with --trust-code."""

import importlib
import json

import pytest
from PIL import Image

from keras_reid.experiment import Adaptation, Distillation
from keras_reid.export.formats import FORMATS
from keras_reid.run.stages.adaptation import load_source
from keras_reid.run.stages.distillation import load_teachers
from keras_reid.utils import own_code
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model

CODE = """
from pathlib import Path
from keras_reid import experiment as ex
from keras_reid.data import Folder
with open({marker!r}, "a") as ran:
    ran.write("x")
experiment = ex.Experiment(name="foreign", data=ex.Data(dataset=Folder(), root=Path("nowhere")))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that was made elsewhere, of a model that needs no code."""
    monkeypatch.setattr(own_code, "_executed", [])
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "experiment.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    command = {"file": "x.py", "arguments": [], "smoke": False, "seed": None}
    (folder / "command.json").write_text(json.dumps(command))
    (folder / "metrics.json").write_text("{}")
    small_model().save(folder / "model.keras")
    Image.new("RGB", (16, 32)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    return folder


READ_ITS_EXPERIMENT = [
    ("evaluate", ["run"]),
    ("evaluate", ["run/model.keras"]),
    ("calibrate", ["run"]),
    ("ranked_list", ["run", "--query", "0"]),
    ("report", ["run"]),
]


@pytest.mark.parametrize(("name", "arguments"), READ_ITS_EXPERIMENT)
def test_commands_that_read_the_experiment(run, capsys, name, arguments):
    main = importlib.import_module(f"keras_reid.{name}").main
    with pytest.raises(UserError, match=r"run/experiment\.py: is not executed, .*pass --trust-code"):
        main(arguments)
    assert not (run.parent / "ran").exists()
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="nowhere"):  # its data set: the experiment was read
        main([*arguments, "--trust-code"])
    assert (run.parent / "ran").read_text() == "x"
    said = capsys.readouterr().err
    assert said.count("running the code of run/experiment.py (--trust-code)\n") == 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("embed", ["run", "a.png", "--output", "a.npz"]),
        ("search", ["a.png", "a.png", "--model", "run"]),
        ("search", ["a.png", "--gallery", ".", "--model", "run", "--json"]),
    ],
)
@pytest.mark.parametrize("trust", [[], ["--trust-code"]])
def test_commands_that_only_need_the_model_execute_nothing(run, capsys, name, arguments, trust):
    importlib.import_module(f"keras_reid.{name}").main([*arguments, *trust])
    assert not (run.parent / "ran").exists()
    assert "running the code" not in capsys.readouterr().err


def test_the_index_of_a_gallery_remembers_the_run_and_never_chooses_what_is_trusted(run):
    search = importlib.import_module("keras_reid.search").main
    search(["a.png", "--gallery", ".", "--model", "run", "--json"])
    assert json.loads((run.parent / ".keras_reid_index" / "store.json").read_text())["about"] == {
        "model": str(run)
    }
    with pytest.raises(UserError, match="--trust-code is for a run that you name: add --model"):
        search(["a.png", "--gallery", ".", "--trust-code"])


def test_an_export_of_a_foreign_run_takes_generated_images(run, monkeypatch, capsys):
    contexts = []

    def write(self, model, folder, precision, context):
        contexts.append(context)
        folder.mkdir()
        (folder / self.marker).touch()
        (folder / "parity.json").write_text("{}")
        return {"verified": False, "reason": "not asked for"}

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(FORMATS["savedmodel"].__class__, "write", write)
    main = importlib.import_module("keras_reid.export.__main__").main
    main(["run", "--output", "out"])
    assert (contexts[0].test_sets, contexts[0].images.real) == ((), 0)
    assert "using generated images instead: run/experiment.py: is not executed" in capsys.readouterr().out
    with pytest.raises(
        UserError, match=r"int8 needs the run's training images .*experiment\.py: is not executed"
    ):
        main(["run", "--output", "out", "--format", "onnx", "--precision", "int8"])
    assert not (run.parent / "ran").exists()
    main(["run", "--output", "out", "--trust-code"])
    assert (run.parent / "ran").read_text() == "x"
    assert "cannot read the run's images" in capsys.readouterr().out


@pytest.mark.parametrize("trust", [False, True])
def test_teachers_and_sources_are_loaded_as_the_user_trusts_them(run, monkeypatch, trust):
    asked = []
    monkeypatch.setattr("keras_reid.models.load_model", lambda *arguments: asked.append(arguments))
    load_teachers(Distillation(teachers=("run",)), trust)
    load_source(Adaptation(source="run"), trust)
    assert asked == [("run", trust), ("run", trust)]


def test_every_command_that_loads_a_model_has_the_option(capsys):
    for name in (
        "evaluate",
        "embed",
        "calibrate",
        "verify",
        "search",
        "report",
        "ranked_list",
        "doctor",
        "fit",
        "sweep",
    ):
        with pytest.raises(SystemExit):
            importlib.import_module(f"keras_reid.{name}").main(["--help"])
        assert "--trust-code" in capsys.readouterr().out, name
