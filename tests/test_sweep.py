"""The command; what it is made of is tested in tests/tuning."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_reid import sweep
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT

QUICKSTART = str(ROOT / "experiments" / "quickstart.py")
SEARCH = ["--search", "optimizer.learning_rate=1e-3,1e-2"]
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray Tune is not installed (extra `sweep`)"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without(monkeypatch):
    """Makes packages look as if they were (not) installed."""
    find = importlib.util.find_spec

    def pretend(**installed):
        def find_spec(name, *rest):
            return installed[name] if name in installed else find(name, *rest)

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)

    return pretend


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.py", *SEARCH], "does not exist"),
        ([QUICKSTART], "what to search"),
        ([QUICKSTART, "--search", "optimizer.rate=1,2"], "optimizer"),
        ([QUICKSTART, "--search", "training.epoch=1,2"], "training.epochs"),
        ([QUICKSTART, "--search", "optimizer.learning_rate=log(1e-4,1e-2)"], "--trials must say"),
        ([QUICKSTART, *SEARCH, "--algorithm", "tpe"], "--trials must say"),
        ([QUICKSTART, *SEARCH, "--trials", "0"], "--trials must be 1 or more"),
        ([QUICKSTART, *SEARCH, "--concurrent", "0"], "--concurrent must be 1 or more"),
        ([QUICKSTART, *SEARCH, "--scheduler", "asha", "--evaluation.every", "0"], "--evaluation.every"),
        ([QUICKSTART, *SEARCH, "--training.epoch", "3"], "training.epochs"),
    ],
)
def test_a_users_mistake_is_told_before_anything_begins(folder, arguments, message):
    with pytest.raises(UserError, match=message):
        sweep.main(arguments)
    assert not (folder / "runs").exists()


def test_what_is_missing_is_told_with_its_remedy(folder, without):
    without(ray=None, optuna=object())
    with pytest.raises(UserError, match=r"pip install 'ray\[tune\]==2.60.0'`"):
        sweep.main([QUICKSTART, *SEARCH])
    without(ray=object(), optuna=None)
    with pytest.raises(UserError, match=r"pip install 'optuna==5.0.0'`"):
        sweep.main([QUICKSTART, *SEARCH, "--algorithm", "tpe", "--trials", "2"])
    assert not (folder / "runs").exists()


def test_the_versions_are_those_of_the_extra():
    extra = (ROOT / "setup.cfg").read_text().partition("\nsweep =")[2].partition("\n\n")[0]
    assert "ray[tune]==2.60.0" in extra
    assert "optuna==5.0.0" in extra


def test_help_is_light():
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        "try: runpy.run_module('keras_reid.sweep', run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'keras', 'tensorflow', 'ray'} & set(sys.modules), 'heavy'"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "--concurrent" in process.stdout


@pytest.fixture
def searched(folder, without, monkeypatch):
    """`searched(*arguments)` runs the command with a search that notes what it is asked for."""
    asked = []

    def search(job, settings, evaluate_every, resume):
        asked.append((job, settings, evaluate_every, resume))
        numbers = {"score": 0.5, "rank1": 0.6, "mAP": 0.4, "epoch": 8}
        return [
            {
                "trial": f"trial00{number}",
                "status": "finished",
                "values": {"optimizer.learning_rate": rate},
                **numbers,
                "score": score,
                "run": f"runs/x-trial00{number}",
                "arguments": ["--optimizer.learning_rate", rate],
            }
            for number, (rate, score) in enumerate([("1e-3", 0.4), ("1e-2", 0.5)])
        ]

    without(ray=object())
    module = type(sys)("keras_reid.tuning.ray_search")
    module.search = search
    monkeypatch.setitem(sys.modules, "keras_reid.tuning.ray_search", module)

    def run(*arguments):
        sweep.main([QUICKSTART, *SEARCH, *arguments])
        return asked[-1]

    return run


def test_the_best_command_is_given(searched, folder, capsys):
    job, settings, evaluate_every, resume = searched("--training.epochs", "3", "--concurrent", "2")
    assert job.command[1:] == ("-m", "keras_reid.fit", QUICKSTART, "--training.epochs", "3")
    assert job.sweep == folder / "runs" / "quickstart-sweep"
    assert job.working_directory == folder
    assert job.environment == {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert (settings.concurrent, evaluate_every, resume) == (2, 4, False)
    again = f"keras-reid fit {QUICKSTART} --training.epochs 3 --optimizer.learning_rate 1e-2"
    assert again in capsys.readouterr().out
    with open(job.sweep / "trials.csv", newline="") as file:
        assert [row["score"] for row in csv.DictReader(file)] == ["0.5", "0.4"]


def test_a_smoke_sweep(searched):
    job, *_ = searched("--smoke")
    assert job.command[-1] == "--smoke"
    assert job.directory("trial000").name == "quickstart-smoke-sweep-trial000-smoke"


def test_trials_trust_what_the_sweep_is_told_to_trust(searched):
    job, *_ = searched("--trust-code")
    assert job.command[-1] == "--trust-code"
    # No setting of the sweep: those of before the option, and without it, are resumed as well.
    assert "trust_code" not in (job.sweep / "sweep.json").read_text()
    assert searched("--resume")[0].sweep == job.sweep


def test_an_existing_sweep_is_kept(searched, folder):
    assert searched()[0].sweep.name == "quickstart-sweep"
    assert searched()[0].sweep.name == "quickstart-sweep-2"
    (folder / "runs" / "quickstart-sweep-3-trial000").mkdir()
    assert searched()[0].sweep.name == "quickstart-sweep-4"


def test_resume_takes_the_newest_and_does_not_mix_settings(searched):
    with pytest.raises(UserError, match="no sweep to resume"):
        searched("--resume")
    searched("--seed", "3")
    searched("--seed", "4")
    job, _, _, resume = searched("--seed", "4", "--resume")
    assert job.sweep.name == "quickstart-sweep-2"
    assert resume
    with pytest.raises(UserError, match="seed changed"):
        searched("--seed", "5", "--resume")
    with pytest.raises(UserError, match="overrides changed"):
        searched("--seed", "4", "--resume", "--training.epochs", "3")


@needs_ray
@pytest.mark.slow
def test_a_sweep_of_smoke_runs_and_its_repetition(command, tmp_path):
    arguments = ["sweep", QUICKSTART, "--smoke", "--search", "data.sampler.identities_per_batch=8"]
    arguments += ["optimizer.learning_rate=log(1e-3,1e-2)", "model.head.metric_feature=before,sideways"]
    wrong = command(*arguments, "--trials", "2", cwd=tmp_path, ok=False)
    assert wrong.returncode == 2
    assert "sideways" in wrong.stderr or "metric" in wrong.stderr
    arguments[-1] = "model.head.metric_feature=before,after"
    process = command(*arguments, "--trials", "2", "--seed", "1", cwd=tmp_path)
    sweep_folder = tmp_path / "runs" / "quickstart-smoke-sweep"
    records = json.loads((sweep_folder / "trials.json").read_text())
    assert [record["status"] for record in records] == ["finished"] * 2
    assert records[0]["score"] >= records[1]["score"]
    for record in records:
        description = json.loads((tmp_path / record["run"] / "experiment.json").read_text())
        assert description["optimizer"]["learning_rate"] == float(record["values"]["optimizer.learning_rate"])
        assert 1e-3 <= description["optimizer"]["learning_rate"] <= 1e-2
        (metrics,) = json.loads((tmp_path / record["run"] / "metrics.json").read_text()).values()
        assert record["score"] == pytest.approx((metrics["rank1"] + metrics["mAP"]) / 2)
    assert "again: keras-reid fit" in process.stdout
    assert "Traceback" not in process.stdout + process.stderr
    repeated = command(*arguments, "--trials", "2", "--seed", "1", "--resume", cwd=tmp_path)
    assert json.loads((sweep_folder / "trials.json").read_text()) == records
    assert "Traceback" not in repeated.stdout + repeated.stderr
    assert len(os.listdir(tmp_path / "runs")) == 3


EXPERIMENT = """
import keras
from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic

def backbone():
    return keras.Sequential([keras.Input((32, 16, 3)), keras.layers.Conv2D(8, 3, strides=4)])

experiment = ex.Experiment(
    name="tiny",
    data=ex.Data(
        dataset=Synthetic(preset="tiny"),
        sampler=IdentitySampler(identities_per_batch=8, images_per_identity=3),
    ),
    model=ex.Model(backbone=backbone, image_size=(32, 16)),
    training=ex.Training(epochs=40),
    evaluation=ex.Evaluation(every=1, projector_images=0),
)
"""


def fits_of(folder):
    """Numbers of the processes of `fit` that run in a folder."""
    found = []
    for process in (path for path in os.scandir("/proc") if path.name.isdigit()):
        try:
            command = Path("/proc", process.name, "cmdline").read_text()
            if "keras_reid.fit" in command and os.readlink(f"/proc/{process.name}/cwd") == str(folder):
                found.append(int(process.name))
        except OSError:
            continue  # it has ended
    return found


def wait_until(condition, process=None, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.1)


@needs_ray
@pytest.mark.slow
def test_asha_and_tpe_interrupted_killed_and_resumed(tmp_path):
    (tmp_path / "tiny.py").write_text(EXPERIMENT)
    arguments = ["tiny.py", "--search", "optimizer.learning_rate=log(1e-6,1e-1)", "--trials", "4"]
    arguments += ["--concurrent", "2", "--scheduler", "asha", "--algorithm", "tpe", "--seed", "3"]
    runs = tmp_path / "runs"

    def start(*more):
        command = [sys.executable, "-m", "keras_reid.sweep", *arguments, *more]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, **pipes)

    def trained(trial, epochs):
        file = runs / f"tiny-sweep-trial{trial:03d}" / "metrics.jsonl"
        return file.is_file() and len(file.read_text().splitlines()) >= epochs

    process = start()
    wait_until(lambda: trained(0, 1) or trained(1, 1), process)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "repeat the command with --resume" in errors
    assert "stopping the trials" in printed
    assert "Traceback" not in printed + errors
    wait_until(lambda: not fits_of(tmp_path), seconds=30)

    process = start("--resume")
    wait_until(lambda: trained(2, 1), process)
    process.kill()
    process.communicate()
    wait_until(lambda: not fits_of(tmp_path), seconds=60)

    process = start("--resume")
    printed, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    assert "Traceback" not in printed + errors
    assert "Warning" not in errors
    records = json.loads((runs / "tiny-sweep" / "trials.json").read_text())
    assert sorted(record["trial"] for record in records) == [f"trial00{k}" for k in range(4)]
    states = [record["status"] for record in records]
    assert set(states) == {"finished", "stopped early"}
    assert states == sorted(states)
    for record in records:
        if record["status"] == "stopped early":
            assert record["epoch"] < 40
            assert not (tmp_path / record["run"] / "metrics.json").exists()
    resumed = [(runs / "tiny-sweep" / f"trial00{k}.log").read_text() for k in range(3)]
    assert any("resuming after epoch" in text for text in resumed)
