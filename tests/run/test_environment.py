import json
import random
import subprocess
from types import SimpleNamespace

import keras
import pytest

from keras_reid import experiment as ex
from keras_reid.data import Sample
from keras_reid.data.dataset import ReIDDataset
from keras_reid.run.environment import fingerprint, git_revision, set_up, write_environment
from keras_reid.utils.errors import UserError


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


def test_git_revision_and_whether_files_were_changed(tmp_path):
    assert git_revision(tmp_path) is None
    git(tmp_path, "init")
    assert git_revision(tmp_path) is None, "no commit yet"
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    clean = git_revision(tmp_path)
    assert len(clean["revision"]) == 40
    assert not clean["modified"]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "b").write_text("2")
    assert git_revision(tmp_path) == clean, "runs are not part of it"
    (tmp_path / "a").write_text("2")
    assert git_revision(tmp_path) == {**clean, "modified": True}


def test_each_process_adds_a_session(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "of another program")
    file = tmp_path / "environment.json"
    for _ in range(2):
        write_environment(file, 3, "abc")
    content = json.loads(file.read_text())
    assert content["seed"] == 3
    assert content["data_fingerprint"] == "abc"
    assert len(content["sessions"]) == 2
    session = content["sessions"][0]
    assert session["versions"]["keras"]
    assert session["machine"]["processor"]
    assert session["machine"]["variables"]["CUDA_VISIBLE_DEVICES"] == ""
    assert "TF_CLI_CONFIG_FILE" not in session["machine"]["variables"]
    assert "is_cuda_build" in session["machine"]["tensorflow_build"]


@pytest.mark.parametrize("change", ["name", "size", "identity", "camera", "order"])
def test_the_fingerprint_follows_what_is_trained_on(tmp_path, change):
    def dataset(size=1, name="a", identity=1, camera=0, order=1):
        files = [(name, size, identity, camera), ("b", 1, 2, 0)][::order]
        samples = []
        for name, size, identity, camera in files:
            (tmp_path / name).write_bytes(b"x" * size)
            samples.append(Sample(tmp_path / name, identity, camera))
        return ReIDDataset("mine", train=tuple(samples))

    value = {"name": "c", "size": 5, "identity": 3, "camera": 1, "order": -1}[change]
    assert fingerprint(dataset()) == fingerprint(dataset())
    assert fingerprint(dataset()) != fingerprint(dataset(**{change: value}))


def test_sets_seed_and_precision(monkeypatch):
    drawn = []
    for seed in (3, 4, 3):
        training = ex.Training(seed=seed, precision="mixed_bfloat16", deterministic=False)
        try:
            assert set_up(ex.Experiment(training=training)) is None, "one device needs no strategy"
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
        finally:
            keras.config.set_dtype_policy("float32")
        drawn.append(random.random())
    assert drawn[0] == drawn[2] != drawn[1]


def test_devices_must_be_able_to_share_the_batches(monkeypatch):
    three = SimpleNamespace(num_replicas_in_sync=3)
    monkeypatch.setattr("keras_reid.training.strategy.choose_strategy", lambda devices: three)
    with pytest.raises(UserError, match=r"^data\.sampler: .*3"):
        set_up(ex.Experiment())
