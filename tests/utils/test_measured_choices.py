import concurrent.futures
import json
import time
import warnings

import pytest

from keras_reid.utils import measured_choices
from keras_reid.utils.measured_choices import MeasuredChoices

MACHINE = {"processor": "this one", "threads": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ways(**milliseconds):
    return lambda: {
        name: lambda spent=spent: time.sleep(spent / 1000) for name, spent in milliseconds.items()
    }


def never():
    raise AssertionError("it was measured again")


def never_run():
    return dict.fromkeys(("usual", "other"), never)


def test_the_fastest_way_is_measured_once_and_remembered(cache):
    choices = MeasuredChoices("sums", MACHINE)
    assert choices.fastest("ten", ways(usual=30, other=3)) == "other"
    assert choices.fastest("ten", never_run) == "other"
    assert MeasuredChoices("sums", MACHINE).fastest("ten", never_run) == "other"
    assert choices.path.parent == cache / "keras_reid"


def test_the_usual_way_stays_unless_another_is_clearly_faster():
    assert MeasuredChoices("sums", MACHINE).fastest("ten", ways(usual=20, other=19.5)) == "usual"


def test_another_machine_measures_for_itself():
    MeasuredChoices("sums", MACHINE).fastest("ten", ways(usual=20, other=2))
    other = MeasuredChoices("sums", {**MACHINE, "threads": 4})
    assert other.fastest("ten", ways(usual=2, other=20)) == "usual"
    assert MeasuredChoices("sums", MACHINE).fastest("ten", never_run) == "other"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"machine"',
        b"[1]",
        b'{"machine": {}, "fastest": {"ten": "usual"}}',
        b"\xff\x00",
        b'{"fastest": 3}',
    ],
)
def test_a_damaged_file_is_replaced(content):
    choices = MeasuredChoices("sums", MACHINE)
    choices.path.parent.mkdir(parents=True)
    choices.path.write_bytes(content)
    assert choices.fastest("ten", ways(usual=20, other=2)) == "other"
    assert json.loads(choices.path.read_text()) == {"machine": MACHINE, "fastest": {"ten": "other"}}


def test_a_way_that_no_longer_exists_is_measured_again():
    MeasuredChoices("sums", MACHINE).fastest("ten", ways(usual=20, former=2))
    choices = MeasuredChoices("sums", MACHINE)
    assert choices.fastest("ten", ways(usual=20, newer=2)) == "newer"


def test_a_folder_that_cannot_be_written_to_means_the_usual_way(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    choices = MeasuredChoices("sums", MACHINE)
    with pytest.warns(UserWarning, match="cannot remember which way of computing is fastest"):
        assert choices.fastest("ten", ways(usual=20, other=2)) == "usual"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choices.fastest("ten", never_run) == "usual"
        assert choices.fastest("twenty", never_run) == "usual"


def test_a_folder_that_can_only_be_read_still_answers(monkeypatch):
    choices = MeasuredChoices("sums", MACHINE)
    choices.fastest("ten", ways(usual=20, other=2))
    monkeypatch.setattr(measured_choices, "Lock", refused)
    assert MeasuredChoices("sums", MACHINE).fastest("ten", never_run) == "other"


def refused(*arguments, **options):
    raise PermissionError(13, "Permission denied", "lock")


def test_those_who_ask_at_the_same_time_get_the_same_answer():
    """Even if they would measure opposite things. Locks part threads as they part processes."""

    def ask(fast):
        times = {"usual": 30, "other": 30, fast: 1}
        return MeasuredChoices("sums", MACHINE).fastest("ten", ways(**times))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, ("usual", "other") * 2))) == 1
