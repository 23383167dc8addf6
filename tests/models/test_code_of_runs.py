"""Whose code `load_model` executes. Every run has a text of its own, which no other test has executed."""

import keras
import numpy as np
import pytest

from keras_reid.models import load_model
from keras_reid.utils import own_code
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model

CODE = """
import keras
with open({marker!r}, "a") as ran:
    ran.write("x")

@keras.saving.register_keras_serializable(package="{package}")
class Mine(keras.layers.GlobalAveragePooling2D):
    pass
"""


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """`make_run("a")` → a run whose model has a class of its own; `ran("a")` counts how often its code was executed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def make(name, own=True):
        run, package = tmp_path / name, f"{tmp_path.name}_{name}"
        run.mkdir()
        code = CODE.format(marker=str(tmp_path / f"{name}.ran"), package=package)
        (run / "experiment.py").write_text(code)
        (run / "command.json").write_text("{}")
        pooling = None
        if own:
            pooling = own_code.execute(run / "experiment.py")["Mine"]()
            (tmp_path / f"{name}.ran").unlink()
        model = small_model(pooling=pooling)
        model.save(run / "model.keras")
        model.save(run / "best.keras")
        for registered in [key for key in keras.saving.get_custom_objects() if key.startswith(package)]:
            del keras.saving.get_custom_objects()[registered]
        own_code._executed.clear()
        return run

    monkeypatch.setattr(own_code, "_executed", [])
    return make


@pytest.fixture
def ran(tmp_path):
    def count(name):
        file = tmp_path / f"{name}.ran"
        return len(file.read_text()) if file.exists() else 0

    return count


def test_a_noted_run_brings_its_classes_and_says_so_once(make_run, ran, capsys):
    run = make_run("a")
    own_code.note((run / "experiment.py").read_bytes())
    assert type(load_model(run).pooling).__name__ == "Mine"
    load_model(run / "best.keras")  # a model file in a run is one of the run's
    assert ran("a") == 1
    assert capsys.readouterr().err == (
        f"running the code of {run}/experiment.py (`fit` recorded its hash on this machine)\n"
    )


@pytest.mark.parametrize("file", ["", "best.keras"])
def test_a_foreign_run_brings_none_unless_trusted(make_run, ran, capsys, file):
    run = make_run("a")
    with pytest.raises(
        UserError, match=r"Could not locate class 'Mine'\..*a/experiment\.py: is not executed.*--trust"
    ):
        load_model(run / file)
    assert ran("a") == 0
    assert capsys.readouterr().err == ""
    assert type(load_model(run / file, trust_code=True).pooling).__name__ == "Mine"
    assert ran("a") == 1
    assert capsys.readouterr().err == f"running the code of {run}/experiment.py (--trust-code)\n"


def test_another_text_in_a_noted_run_is_foreign(make_run, ran):
    run = make_run("a")
    file = run / "experiment.py"
    own_code.note(file.read_bytes())
    file.write_text(file.read_text() + "\n")
    with pytest.raises(UserError, match="is not executed"):
        load_model(run)
    assert ran("a") == 0


def test_a_bare_model_file_never_brings_code(make_run, ran):
    run = make_run("a")
    own_code.note((run / "experiment.py").read_bytes())
    (run / "command.json").unlink()  # a folder into which a file was fetched, beside which code lies
    for trust in (False, True):
        with pytest.raises(UserError, match=r"Could not locate class 'Mine'\. Is it a component of your own"):
            load_model(run / "model.keras", trust_code=trust)
    assert ran("a") == 0


@pytest.mark.parametrize("trust", [False, True])
def test_a_model_without_own_classes_loads_and_nothing_is_executed(make_run, ran, capsys, trust):
    run = make_run("a", own=False)
    images = np.zeros((1, 32, 16, 3), np.uint8)
    assert np.isfinite(load_model(run, trust_code=trust).predict(images, verbose=0)).all()
    assert ran("a") == 0
    assert capsys.readouterr().err == ""


def test_classes_that_the_caller_has_registered_need_no_code(make_run, ran):
    run = make_run("a")
    text = (run / "experiment.py").read_text()
    exec(text, {"__name__": "callers_own"})
    assert ran("a") == 1
    assert type(load_model(run).pooling).__name__ == "Mine"
    assert ran("a") == 1


def test_of_two_runs_each_gets_its_own_class_of_one_name(make_run, tmp_path, ran):
    one = make_run("a")
    other = tmp_path / "b"
    other.mkdir()
    for name in ("model.keras", "command.json"):
        (other / name).write_bytes((one / name).read_bytes())
    (other / "experiment.py").write_text((one / "experiment.py").read_text() + "    other = True\n")
    for run in (one, other):
        own_code.note((run / "experiment.py").read_bytes())
    found = [hasattr(load_model(run).pooling, "other") for run in (one, other, one)]
    assert found == [False, True, False]
    assert ran("a") == 3


def test_code_that_fails_is_said_by_its_file(make_run):
    run = make_run("a")
    (run / "experiment.py").write_text("1 / 0")
    with pytest.raises(UserError, match=r"a/experiment\.py: fails: ZeroDivisionError: division by zero"):
        load_model(run, trust_code=True)
