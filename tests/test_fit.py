import hashlib
import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_reid.data import Synthetic
from tests.conftest import ROOT
from tests.run.small_experiments import SMALL, tiny


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


def test_prints_the_resolved_experiment_and_trains_nothing(command, tmp_path):
    arguments = ["fit", ROOT / "experiments" / "market_sbs.py", "--training.epochs", "7", "--print"]
    printed = command(*arguments, cwd=tmp_path).stdout.splitlines()
    assert printed[0] == "name = market_sbs"
    assert {"training.epochs = 7", "# model.pooling: GeM", "model.pooling.p = 3.0"} <= set(printed)
    printed = command(*arguments, "--smoke", cwd=tmp_path).stdout.splitlines()
    assert {"name = market_sbs-smoke", "training.epochs = 1", "data.dataset.preset = tiny"} <= set(printed)
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.medium
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
