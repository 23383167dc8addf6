import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_reid.data import Synthetic
from keras_reid.utils.locks import Lock
from tests.conftest import ROOT

SMALL = [
    *("--model.image-size", "32", "16"),
    *("--model.backbone.depth", "18", "--model.backbone.width", "8"),
    *("--model.backbone.pretrained", "None"),
    *("--data.sampler.identities-per-batch", "4", "--data.sampler.images-per-identity", "4"),
    *("--schedule.warmup-steps", "2"),
]


def test_a_smoke_run_leaves_everything(smoke_run, configuration):
    run, printed = smoke_run
    noted = (configuration / "keras_reid" / "noted_experiments").read_text().split()
    assert hashlib.sha256((run / "experiment.py").read_bytes()).hexdigest() in noted
    for name in (
        "experiment.json",
        "experiment.py",
        "model.keras",
        "best.keras",
        "best.json",
        "environment.json",
        "metrics.json",
        "metrics.jsonl",
        "report/index.html",
        "checkpoints/manifest.json",
    ):
        assert (run / name).is_file(), name
    assert list((run / "tensorboard").rglob("events.*"))
    assert (run / "tensorboard" / "projector_config.pbtxt").is_file()
    assert "smoke run: image size: (64, 32) instead of (128, 64)" in printed
    assert "images/s" in printed
    metrics = json.loads((run / "metrics.json").read_text())
    (result,) = metrics.values()
    best = json.loads((run / "best.json").read_text())
    assert (best["epoch"], best["results"]) == (1, metrics)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["seed"] == 0
    assert len(environment["data_fingerprint"]) == 64
    assert {"rank1", "rank5", "rank10", "mAP", "mINP"} <= set(result)
    assert all(0 <= result[key] <= 1 for key in ("rank1", "rank5", "rank10", "mAP", "mINP"))
    (line,) = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    assert line["epoch"] == 1
    assert line["step"] == 2
    assert np.isfinite(line["cross_entropy"])
    assert next(value for key, value in line.items() if key.endswith("/mAP")) == result["mAP"]
    assert not [path for path in run.rglob("*part*") if path.is_file()], "nothing half-written"


def test_its_model_carries_where_it_comes_from(smoke_run):
    model = keras.saving.load_model(smoke_run[0] / "model.keras")
    assert model.metadata["provenance"]["experiment"] == "quickstart-smoke"
    assert model.metadata["image_size"] == [64, 32]
    assert not model.compiled, "the optimizer is not saved"
    best = keras.saving.load_model(smoke_run[0] / "best.keras")
    assert best.metadata["provenance"] == {**model.metadata["provenance"], "epoch": 1}
    for a, b in zip(model.weights, best.weights, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b), err_msg=a.path)


def test_a_smoke_run_leaves_the_users_data_alone(smoke_run):
    run, _ = smoke_run
    assert (run / "data" / "synthetic").is_dir()
    assert not (run.parents[1] / "datasets").exists()


def test_evaluate_repeats_the_metrics_of_the_run(copied_run, command):
    run = copied_run
    process = command("evaluate", run, cwd=run.parents[1])
    assert "Rank-1" in process.stdout
    written = json.loads((run / "evaluation.json").read_text())["results"]
    final = json.loads((run / "metrics.json").read_text())
    for name, result in final.items():
        for key in ("rank1", "mAP", "mINP"):
            assert written[name][key] == pytest.approx(result[key], abs=1e-6)


@pytest.mark.slow
def test_evaluate_flip_and_metric_change_the_result(copied_run, command):
    run = copied_run
    results = [json.loads((run / "metrics.json").read_text())]
    for options in (("--flip",), ("--metric", "euclidean")):
        command("evaluate", run, "--output", run / "other.json", *options, cwd=run.parents[1])
        results.append(json.loads((run / "other.json").read_text())["results"])
    assert len({next(iter(result.values()))["mAP"] for result in results}) == 3


@pytest.fixture(scope="module")
def duke(tmp_path_factory):
    """A miniature DukeMTMC-reID in its real layout, of synthetic people."""
    root = tmp_path_factory.mktemp("duke")
    dataset = Synthetic(preset="tiny").read(tmp_path_factory.mktemp("synthetic"))
    parts = {
        "bounding_box_train": dataset.train,
        "query": dataset.query,
        "bounding_box_test": dataset.gallery,
    }
    for part, samples in parts.items():
        folder = root / "DukeMTMC-reID" / part
        folder.mkdir(parents=True)
        for number, sample in enumerate(samples):
            name = f"{int(sample.identity):04d}_c{int(sample.camera)}_f{number:07d}.jpg"
            shutil.copyfile(sample.path, folder / name)
    return root


@pytest.mark.medium
def test_duke_from_its_real_layout_to_a_model_and_again(duke, command):
    arguments = ["--data.root", duke, "--training.epochs", "1", "--schedule.delay-epochs", "0", *SMALL]
    file = ROOT / "experiments" / "duke_circle.py"
    process = command("fit", file, *arguments)
    run = command.folder / "runs" / "duke_circle"
    assert "dukemtmc" in process.stdout
    assert json.loads((run / "metrics.json").read_text())["dukemtmc"]["num_queries"] == 24
    command("evaluate", run / "model.keras", "--dataset", "dukemtmc", "--root", duke)
    assert json.loads((run / "model.evaluation.json").read_text())["results"]["dukemtmc"]["num_queries"] == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.py"], "'none.py' does not exist"),
        (
            [ROOT / "experiments" / "duke_circle.py", "--training.epoch", "1"],
            "Perhaps you meant: --training.epochs",
        ),
        ([ROOT / "experiments" / "duke_circle.py", "--data.root", "nowhere"], "DukeMTMC-reID"),
        (
            [ROOT / "experiments" / "duke_circle.py", "--resume", "--smoke", "--name", "a b"],
            "name must consist",
        ),
        (
            [ROOT / "experiments" / "duke_circle.py", "--training.seed", "-1"],
            "training.seed must be 0 or more",
        ),
        ([], "Missing|required"),
    ],
)
def test_a_users_mistake_is_one_line(arguments, message, command):
    process = command("fit", *arguments, ok=False)
    assert process.returncode == 2
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in process.stderr
    assert re.search(message, lines[0]), lines[0]


def test_too_few_identities_is_said_before_training(duke, command):
    process = command(
        *("fit", ROOT / "experiments" / "duke_circle.py", "--data.root", duke),
        *("--data.sampler.identities-per-batch", "99"),
        ok=False,
    )
    assert process.returncode == 2
    assert "a batch needs 99 identities, but the training part has only 8 (48 images)" in process.stderr


@pytest.mark.slow
def test_seeds_give_mean_and_spread_and_resume_passes_over_finished_ones(command, tmp_path):
    file = ROOT / "experiments" / "quickstart.py"
    arguments = ["fit", file, "--smoke", "--model.backbone.width", "8", "--seeds", "0", "1"]
    process = command(*arguments, cwd=tmp_path)
    assert "mean ± standard deviation over seeds 0, 1" in process.stdout
    runs = [tmp_path / "runs" / f"quickstart-smoke-seed{seed}" for seed in (0, 1)]
    results = [json.loads((run / "metrics.json").read_text()) for run in runs]
    written = json.loads((tmp_path / "runs" / "quickstart-smoke-seeds.json").read_text())
    assert written["seeds"] == [0, 1]
    assert written["results"] == {"0": results[0], "1": results[1]}
    for name, spread in written["test_sets"].items():
        values = [result[name]["mAP"] for result in results]
        assert spread["mean"]["mAP"] == pytest.approx(np.mean(values))
        assert spread["standard_deviation"]["mAP"] == pytest.approx(np.std(values, ddof=1))
    (runs[1] / "metrics.json").unlink()
    process = command(*arguments, "--resume", cwd=tmp_path)
    assert "seed 0 is finished" in process.stdout
    assert "resuming after epoch 1" in process.stdout
    assert (runs[1] / "metrics.json").is_file()


@pytest.mark.parametrize("name", ["fit", "evaluate", "embed", "export"])
def test_help_is_quick_and_light(name):
    code = (
        f"import sys, runpy; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('keras_reid.{name}', run_name='__main__')\n"
        f"except SystemExit as stop: assert not stop.code\n"
        f"assert not {{'keras', 'tensorflow'}} & set(sys.modules), 'heavy'"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "usage" in process.stdout


TINY = """
import keras
from keras_reid import experiment as ex
from keras_reid.data import DukeMTMC, IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip

def backbone():
    layers = [keras.layers.Conv2D(8, 3, strides=4), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    return keras.Sequential([keras.Input((32, 16, 3)), *layers])

{more}

experiment = ex.Experiment(
    name="tiny",
    data=ex.Data(
        dataset={dataset},
        sampler=IdentitySampler(identities_per_batch=4, images_per_identity=3),
        augmentation=(Flip(),),
    ),
    model=ex.Model(backbone=backbone, image_size=(32, 16)),
    schedule=ex.Constant(),
    training=ex.Training(epochs=3),
    evaluation=ex.Evaluation(every=0),
    {fields}
)
"""


def tiny(folder, more="", fields="", dataset="Synthetic(preset='tiny')"):
    folder.mkdir(exist_ok=True)
    (folder / "tiny.py").write_text(TINY.format(more=more, fields=fields, dataset=dataset))
    return folder / "runs" / "tiny"


def test_skip_unreadable_counts_and_lists(duke, command, tmp_path):
    root = tmp_path / "duke"
    shutil.copytree(duke, root)
    bad = root / "DukeMTMC-reID" / "bounding_box_train" / "0001_c1_f9999999.jpg"
    bad.write_bytes(b"not an image")
    run = tiny(tmp_path, dataset="DukeMTMC()")
    arguments = ["fit", "tiny.py", "--data.root", root, "--training.epochs", "1"]
    finished = command(*arguments, cwd=tmp_path, ok=False)
    assert finished.returncode == 2
    assert bad.name in finished.stderr
    assert "--skip-unreadable" in finished.stderr
    assert not run.exists(), "what never began leaves nothing"
    finished = command(*arguments, "--skip-unreadable", cwd=tmp_path)
    assert bad.name in finished.stdout + finished.stderr
    assert json.loads((run / "metrics.json").read_text())["dukemtmc"]["num_queries"] == 24
    command("evaluate", run, cwd=tmp_path)


def until(process, log, lines):
    """Waits until a process has written so many lines to a file; fails if it ends before."""
    while not log.is_file() or len(log.read_text().splitlines()) < lines:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.fixture
def terminated(tmp_path):
    """A run that got SIGTERM after two epochs; what it said and its exit code."""
    run = tiny(tmp_path / "stopped")
    arguments = [sys.executable, "-m", "keras_reid.fit", "tiny.py", "--training.epochs", "500"]
    process = subprocess.Popen(arguments, cwd=run.parents[1], stderr=subprocess.PIPE, text=True)
    until(process, run / "metrics.jsonl", 2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    return run, said, process.returncode


def test_sigterm_saves_and_says_how_to_go_on(terminated):
    run, said, code = terminated
    assert code == 128 + signal.SIGTERM
    (line,) = (line for line in said.splitlines() if line.startswith("SIGTERM"))
    assert line.endswith("in runs/tiny/checkpoints; repeat the command with --resume to continue")
    assert "Traceback" not in said
    newest = json.loads((run / "checkpoints" / "manifest.json").read_text())["checkpoints"][0]
    assert newest["epochs_done"] >= 2
    assert (run / "checkpoints" / newest["file"]).is_file()
    assert not (run / "model.keras").exists()


@pytest.mark.medium
def test_the_same_seed_gives_the_same_weights_in_another_process_and_folder(command, tmp_path):
    runs = [tiny(tmp_path / name) for name in ("one", "two", "three")]
    for run, seed in zip(runs, (0, 0, 1), strict=True):
        command.process("fit", "tiny.py", "--training.seed", seed, cwd=run.parents[1])
    one, two, three = (keras.saving.load_model(run / "model.keras").get_weights() for run in runs)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(one, three, strict=True))


@pytest.mark.medium
def test_a_diverging_run_stops_with_a_line_and_keeps_its_checkpoint(command, tmp_path):
    # NaN from the sixth step on, which is in epoch 2.
    more = """
calls = keras.Variable(0.0, trainable=False)

def explosive(y_true, y_pred):
    calls.assign_add(1.0)
    return keras.ops.mean(y_pred, axis=-1) * keras.ops.where(calls > 5.5, float("nan"), 1.0)
"""
    run = tiny(tmp_path, more, 'losses={"cross_entropy": ex.CrossEntropy(), "explosive": explosive},')
    process = command("fit", "tiny.py", cwd=tmp_path, ok=False)
    assert process.returncode == 2
    (line,) = (line for line in process.stderr.splitlines() if line.startswith("error: "))
    assert "Traceback" not in process.stderr
    assert "explosive is nan at step 5 (cross_entropy " in line
    assert "learning rate 0.00035, identities " in line
    assert "epoch_0001.npz" in line
    assert [path.name for path in (run / "checkpoints").glob("*.npz")] == ["epoch_0001.npz"]
    with np.load(run / "checkpoints" / "epoch_0001.npz") as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)


def test_a_run_that_another_process_writes_is_not_resumed(command, tmp_path, monkeypatch):
    run = tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    run.mkdir(parents=True)
    monkeypatch.setattr(
        "keras_reid.run.session.command_line.load_tensorflow", lambda: pytest.fail("must not get so far")
    )
    monkeypatch.setattr(
        "keras_reid.run.session.RunDirectory.unfinished",
        classmethod(lambda cls, experiment: cls("runs/tiny")),
    )
    lock = Lock(run / "lock")
    before = sorted(run.rglob("*"))
    process = command("fit", "tiny.py", "--resume", cwd=tmp_path, ok=False)
    assert process.returncode == 2
    assert process.stderr.startswith(
        f"error: runs/tiny is being written by process {os.getpid()}, and a run has one"
    )
    assert len(process.stderr.splitlines()) == 1
    assert sorted(run.rglob("*")) == before
    lock.release()


@pytest.mark.slow
def test_of_two_that_resume_one_run_the_second_is_refused(command, tmp_path):
    run = tiny(tmp_path)
    words = [sys.executable, "-m", "keras_reid.fit", "tiny.py", "--training.epochs", "40"]
    first = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not list((run / "checkpoints").glob("*.npz")) and time.monotonic() < end:
        time.sleep(0.1)
    second = subprocess.run([*words, "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert second.returncode == 2
    assert f"runs/tiny is being written by process {first.pid}" in second.stderr
    first.kill()
    first.communicate()
    # The lock has died with its process. Of two at once one goes on, to the end.
    both = [
        subprocess.Popen(
            [*words, "--resume"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], errors
    loser = next(number for number, process in enumerate(both) if process.returncode == 2)
    assert f"is being written by process {both[1 - loser].pid}" in errors[loser]
    lines = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines == list(range(1, 41))
    assert not (run / "lock").exists()


@pytest.mark.medium
def test_a_full_disk_stops_with_a_line_and_resume_goes_on(command, tmp_path):
    run = tiny(tmp_path / "limited")
    # From the second checkpoint on no file may grow beyond a limit.
    code = (
        "import resource, runpy, sys\n"
        "from keras_reid.training.callbacks import checkpoints\n"
        "save = checkpoints.Checkpoints.save\n"
        "def limited(self, model, position):\n"
        "    if position[0] == 2: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))\n"
        "    save(self, model, position)\n"
        "checkpoints.Checkpoints.save = limited\n"
        "sys.argv = ['fit', 'tiny.py']\n"
        "runpy.run_module('keras_reid.fit', run_name='__main__')"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=run.parents[1], capture_output=True, text=True)
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    assert "error: no room for a checkpoint in runs/tiny/checkpoints: it takes " in process.stderr
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [
        "epoch_0001.npz",
        "manifest.json",
    ]
    process = command("fit", "tiny.py", "--resume", cwd=run.parents[1])
    assert "resuming after epoch 1" in process.stdout
    whole = tiny(tmp_path / "whole")
    command("fit", "tiny.py", cwd=whole.parents[1])
    weights = [keras.saving.load_model(path / "model.keras").get_weights() for path in (run, whole)]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("after_lines", [0, 1, 3])
def test_a_killed_run_resumes_to_the_bit(after_lines, command, tmp_path):
    file = tmp_path / "killed.py"
    file.write_text(
        "import dataclasses\n"
        "from keras_reid.recipes import sbs\n"
        "from keras_reid.data import Synthetic\n"
        "experiment = sbs('killed', Synthetic(preset='tiny'))\n"
    )
    arguments = [*SMALL, *("--training.epochs", "5", "--schedule.delay-epochs", "1")]
    arguments += ["--training.freeze-backbone-steps", "4", "--evaluation.every", "2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    command.process("fit", file, *arguments, cwd=whole)

    log = killed / "runs" / "killed" / "metrics.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "keras_reid.fit", str(file), *arguments], cwd=killed)
    while (
        process.poll() is None and (len(log.read_text().splitlines()) if log.is_file() else 0) < after_lines
    ):
        time.sleep(0.02)
    if not after_lines:
        time.sleep(5)  # while TensorFlow is imported, before anything is there
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    command.process("fit", file, *arguments, "--resume", cwd=killed)

    assert [p.name for p in (killed / "runs").iterdir()] == ["killed"]
    one, other = (
        keras.saving.load_model(folder / "runs" / "killed" / "model.keras") for folder in (whole, killed)
    )
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b), err_msg=a.path)
    assert len(log.read_text().splitlines()) == 5
    assert "finished" in command.process("fit", file, *arguments, "--resume", cwd=killed, ok=False).stderr
    other_settings = command.process(
        "fit", file, *arguments, "--training.seed", "1", "--resume", cwd=killed, ok=False
    )
    assert other_settings.returncode == 2
