"""Runs that are interrupted, resumed, or wanted by two processes at once."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_reid.utils.locks import Lock
from tests.run.small_experiments import SMALL, tiny


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


@pytest.mark.medium
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
