import os
import re
from dataclasses import replace

import keras
import pytest

from keras_reid.experiment import Data, Experiment, Training
from keras_reid.experiment.run_directory import RunDirectory
from keras_reid.utils.errors import UserError

EXPERIMENT = Experiment(name="bot")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text("from keras_reid.experiment import Experiment\nexperiment = Experiment(name='bot')\n")
    return file


def create(file, name="bot", age=0):
    run = RunDirectory.create(replace(EXPERIMENT, name=name), file)
    os.utime(run / "experiment.json", (1e9 - age, 1e9 - age))
    return run


def test_an_existing_run_is_kept_and_a_smoke_run_replaced(file):
    assert [create(file).path.name for _ in range(3)] == ["bot", "bot-2", "bot-3"]
    smoke = RunDirectory.create(EXPERIMENT, file, smoke=True)
    assert smoke.path.name == "bot"


def test_finds_the_newest_unfinished_run_of_this_experiment_only(file):
    assert RunDirectory.unfinished(EXPERIMENT) is None
    oldest, finished, other = create(file, age=30), create(file, age=20), create(file, "bot-50", age=10)
    (finished / "metrics.json").write_text("{}")
    assert other.path.name == "bot-50"
    assert RunDirectory.unfinished(EXPERIMENT).path == oldest.path
    newest = create(file)
    assert RunDirectory.unfinished(EXPERIMENT).path == newest.path
    for run in (oldest, newest):
        (run / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match="is finished: there is nothing to resume"):
        RunDirectory.unfinished(EXPERIMENT)


def test_refuses_other_settings_by_name(file):
    create(file)
    with pytest.raises(UserError, match=r"training\.epochs changed"):
        RunDirectory.unfinished(replace(EXPERIMENT, training=Training(epochs=3)))


def test_a_layer_whose_seed_keras_draws_does_not_count_as_changed(file):
    def experiment():
        return replace(EXPERIMENT, data=Data(augmentation=(keras.layers.RandomCrop(8, 8, name="crop"),)))

    run = RunDirectory.create(experiment(), file)
    assert RunDirectory.unfinished(experiment()).path == run.path


def test_knows_the_experiment_as_it_was_run(file):
    arguments = ["--training.epochs", "7"]
    run = RunDirectory.create(EXPERIMENT, file, arguments)
    file.unlink()
    assert run.experiment().training.epochs == 7


def test_the_copy_in_a_foreign_run_is_executed_only_when_trusted(file, tmp_path, monkeypatch, capsys):
    run = RunDirectory.create(EXPERIMENT, file)
    code = f"with open({str(tmp_path / 'ran')!r}, 'a') as ran:\n    ran.write('x')\n"
    (run / "experiment.py").write_text(file.read_text() + code)
    assert not run.may_execute()
    with pytest.raises(UserError, match=r"runs/bot/experiment\.py: is not executed, .*--trust-code"):
        run.experiment()
    assert not (tmp_path / "ran").exists()
    assert run.experiment(trust_code=True).name == EXPERIMENT.name
    assert (tmp_path / "ran").read_text() == "x"
    assert "running the code of runs/bot/experiment.py (--trust-code)" in capsys.readouterr().err


def test_a_hash_that_cannot_be_noted_is_said_and_stops_nothing(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "config").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert RunDirectory.create(EXPERIMENT, file).path.is_dir()
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {tmp_path}/config/keras_reid: not a directory: the hash of ")
    assert "later commands need --trust-code" in said
    assert said.count("\n") == 1


def test_a_resumed_run_is_noted_only_with_the_file_that_it_holds(file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "first"))
    run = RunDirectory.create(EXPERIMENT, file)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "second"))  # as a run of before hashes were noted
    monkeypatch.setattr("keras_reid.utils.own_code._executed", [])
    other = tmp_path / "other.py"
    other.write_text(file.read_text() + "# changed\n")
    run.note_code(other)
    assert not run.may_execute()
    run.note_code(file)
    assert run.may_execute()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000 + "]" * 5000, "at most 100 nested levels"),
        ("{", "is damaged, because it is not valid JSON"),
        ("[]", "must hold the arguments"),
        ('{"arguments": "--data.root /", "smoke": false, "seed": null}', "must hold the arguments"),
    ],
)
def test_a_damaged_command_is_said_by_name(file, text, said):
    run = RunDirectory.create(EXPERIMENT, file)
    (run / "command.json").write_text(text)
    with pytest.raises(UserError, match=rf"runs/bot/command\.json: .*{said}"):
        run.experiment()


def test_one_process_at_a_time_writes_to_a_run(file):
    run = create(file)
    other = RunDirectory(run.path)
    said = f"{run.path} is being written by process {os.getpid()}, and a run has one writer: wait for its end"
    with pytest.raises(UserError, match=re.escape(said)):
        other.hold()
    run.hold()  # has it already
    run.release()
    assert not (run / "lock").exists()
    other.hold()
    with pytest.raises(UserError, match="is being written by"):
        run.hold()
    other.release()


def test_a_smoke_run_at_work_is_not_replaced(file):
    run = RunDirectory.create(EXPERIMENT, file, smoke=True)
    (run / "metrics.jsonl").write_text("{}")
    with pytest.raises(UserError, match="runs/bot is being written by process"):
        RunDirectory.create(EXPERIMENT, file, smoke=True)
    assert (run / "metrics.jsonl").exists()
    run.release()
    again = RunDirectory.create(EXPERIMENT, file, smoke=True)
    assert not (again / "metrics.jsonl").exists()


@pytest.mark.parametrize("where", ["shutil.copyfile", "write_json"])
def test_a_full_disk_leaves_no_half_made_run(file, monkeypatch, where):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"keras_reid.experiment.run_directory.{where}", full)
    with pytest.raises(OSError, match="No space left on device"):
        RunDirectory.create(EXPERIMENT, file)
    assert os.listdir("runs") == []


def test_a_linked_lock_is_refused(file, tmp_path):
    run = create(file)
    run.release()
    (tmp_path / "victim").write_text("dear")
    (run / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(UserError, match="lock is a link"):
        run.hold()
    assert (tmp_path / "victim").read_text() == "dear"
