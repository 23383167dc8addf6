import os

import pytest

from keras_reid.tuning.sweep_folder import hold, new_folder, newest_folder
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_two_at_once_are_not_resumed():
    first = new_folder("mine")
    assert new_folder("mine").name == "mine-sweep-2"
    lock = hold(first)
    with pytest.raises(UserError, match=rf"mine-sweep is being written by process {os.getpid()}: wait"):
        hold(first)
    lock.release(remove=True)
    assert list(first.iterdir()) == []


def test_the_newest_is_resumed_with_the_same_settings_only():
    for number in range(2):
        folder = new_folder("mine")
        write_json(folder / "sweep.json", {"trials": 3})
        os.utime(folder / "sweep.json", (number, number))
    assert newest_folder("mine", {"trials": 3}).name == "mine-sweep-2"
    with pytest.raises(UserError, match=r"started with other settings.*trials changed"):
        newest_folder("mine", {"trials": 4})
    with pytest.raises(UserError, match="there is no sweep to resume in runs/other-sweep"):
        newest_folder("other", {})
