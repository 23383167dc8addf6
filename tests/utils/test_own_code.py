"""Tests which experiment files may be executed. No other test executes the texts in this file."""

import dataclasses
import stat
import subprocess
import sys

import pytest

from keras_reid.utils import own_code
from keras_reid.utils.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(own_code, "_executed", [])
    return tmp_path


def noted(folder):
    return folder / "config" / "keras_reid" / "noted_experiments"


def test_what_was_noted_is_known_and_kept_from_others(folder):
    assert not own_code.is_known(b"a = 1")
    assert own_code.note(b"a = 1") is None
    assert own_code.is_known(b"a = 1")
    assert not own_code.is_known(b"a = 1\n")
    # printf "a = 1" | sha256sum
    assert noted(folder).read_text() == "b5bc1ffd90912fb18bef6e7d80909192c7a6492896320156d67fbaf104c6544a\n"
    assert stat.S_IMODE(noted(folder).stat().st_mode) == 0o600
    assert stat.S_IMODE(noted(folder).parent.stat().st_mode) == 0o700


def test_each_is_noted_once_and_a_line_that_was_cut_off_spoils_none(folder):
    for text in (b"a", b"b", b"a"):
        own_code.note(text)
    assert len(noted(folder).read_text().splitlines()) == 2
    noted(folder).write_text(noted(folder).read_text() + "0123")
    own_code.note(b"c")
    assert all(map(own_code.is_known, (b"a", b"b", b"c")))


def test_writers_at_the_same_time_lose_nothing(folder):
    program = """
import sys
from keras_reid.utils import own_code
for k in range(50):
    own_code.note(b"%s%d" % (sys.argv[1].encode(), k))
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert all(own_code.is_known(b"%s%d" % (name, k)) for name in (b"a", b"b", b"c") for k in range(50))
    assert len(noted(folder).read_text().splitlines()) == 150


def test_a_folder_that_cannot_be_written_is_said(folder, monkeypatch):
    (folder / "config").write_text("a file")
    assert own_code.note(b"a") == f"{folder}/config/keras_reid: not a directory"
    assert not own_code.is_known(b"a")


def test_a_relative_folder_is_not_that_of_the_user(folder, monkeypatch):
    # It would depend on the working directory, which may belong to a stranger.
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    monkeypatch.setenv("HOME", str(folder / "home"))
    assert own_code.note(b"a") is None
    assert (folder / "home" / ".config" / "keras_reid" / "noted_experiments").is_file()
    assert not (folder / "config").exists()
    monkeypatch.setenv("HOME", "home")
    assert own_code.note(b"a") == "there is no home folder"
    assert not own_code.is_known(b"a")


def test_code_of_a_run_is_refused_by_name_unless_noted_or_trusted(folder, capsys):
    file = folder / "experiment.py"
    file.write_text("a = 1")
    with pytest.raises(UserError, match=r"experiment\.py: is not executed, .* not recorded .*--trust-code"):
        own_code.source_of_run(file)
    assert capsys.readouterr().err == ""
    assert own_code.source_of_run(file, trust_code=True) == b"a = 1"
    assert capsys.readouterr().err == f"running the code of {file} (--trust-code)\n"
    own_code.note(b"a = 1")
    own_code.source_of_run(file)
    assert (
        capsys.readouterr().err == f"running the code of {file} (`fit` recorded its hash on this machine)\n"
    )
    file.unlink()
    with pytest.raises(UserError, match=r"experiment\.py: cannot be read: no such file"):
        own_code.source_of_run(file, trust_code=True)


def test_what_was_executed_in_this_process_is_known_in_it(folder):
    file = folder / "one.py"
    file.write_text("a = 1")
    own_code.execute(file)
    assert own_code.is_known(b"a = 1")
    assert own_code.was_last(b"a = 1")
    own_code.execute(file, b"a = 2")
    assert not own_code.was_last(b"a = 1")
    own_code.execute(file)
    assert own_code.was_last(b"a = 1")


def test_execution_is_as_by_runpy(folder):
    file = folder / "one.py"
    file.write_text(
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass\nclass A:\n    b: int = 3\n"
        "def f():\n    return A(), __name__, __file__\n"
    )
    names = own_code.execute(file)
    value, name, path = names["f"]()
    assert dataclasses.asdict(value) == {"b": 3}
    assert (name, path) == ("<run_path>", str(file))
    assert type(value).__module__ == "<run_path>"
    assert "<run_path>" not in sys.modules
    with pytest.raises(ZeroDivisionError):
        own_code.execute(file, b"1 / 0")
    assert not own_code.is_known(b"1 / 0")
