"""The command that times the tests: what it reads, adds up, keeps and refuses."""

import csv
import importlib.util

import pytest

from keras_reid.utils.errors import UserError
from tests.conftest import ROOT

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="4" time="7.500">
<testcase classname="tests.losses.test_focal" name="test_a[1-x::y]" time="1.25" />
<testcase classname="tests.losses.test_focal" name="test_b" time="2.5" />
<testcase classname="tests.losses.test_focal" name="test_b" time="0.5"><error message="teardown" /></testcase>
<testcase classname="tests.test_fit" name="test_c" time="4.0" />
</testsuite></testsuites>
"""


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("times", ROOT / "benchmarks" / "test_times.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def junit(tmp_path):
    file = tmp_path / "junit.xml"
    file.write_text(JUNIT)
    return file


def test_adds_up_by_folder_and_names_the_slowest(benchmark, junit):
    assert benchmark.rows_of(*benchmark.read(junit)) == [
        ("lane", "", 3, 7.5),
        ("folder", "tests", 1, 4.0),
        ("folder", "tests/losses", 2, 4.25),
        ("test", "tests.test_fit::test_c", 1, 4.0),
        ("test", "tests.losses.test_focal::test_b", 1, 3.0),
        ("test", "tests.losses.test_focal::test_a[1-x::y]", 1, 1.25),
    ]


def test_only_so_many_of_the_slowest(benchmark):
    tests = {f"tests.test_x::test_{number}": float(number) for number in range(100)}
    slowest = [name for level, name, *_ in benchmark.rows_of(1.0, tests) if level == "test"]
    assert slowest == [f"tests.test_x::test_{number}" for number in range(99, 39, -1)]


def test_each_run_is_kept_and_the_last_ones_tests(benchmark, junit, tmp_path, capsys):
    output = tmp_path / "times.csv"
    for label, text in (("before", JUNIT), ("after", JUNIT), ("after", JUNIT.replace("4.0", "3.5"))):
        junit.write_text(text)
        benchmark.main(["--read", str(junit), "--label", label, "--output", str(output)])
    with open(output, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["label"], row["run"]) for row in rows if row["level"] == "lane"] == [
        ("before", "1"),
        ("after", "1"),
        ("after", "2"),
    ]
    of_fit = [(row["label"], row["seconds"]) for row in rows if row["name"] == "tests.test_fit::test_c"]
    assert of_fit == [("before", "4.00"), ("after", "3.50")]
    capsys.readouterr()
    benchmark.main(["--only", "table", "--output", str(output)])
    table = capsys.readouterr().out
    assert "| start to end | 3: 8 s | 3: 8 s; 3: 8 s |" in table
    assert "| tests/losses | 2: 4 s | 2: 4 s |" in table


def test_refuses_what_is_no_such_file(benchmark, tmp_path):
    with pytest.raises(UserError, match="must be a file from `pytest --junit-xml`"):
        benchmark.read(tmp_path / "missing.xml")
    (tmp_path / "other.xml").write_text("<html></html>")
    with pytest.raises(UserError, match=r"other\.xml must be a file"):
        benchmark.read(tmp_path / "other.xml")


def test_the_lanes_are_those_of_make(benchmark):
    make, config = (ROOT / "Makefile").read_text(), (ROOT / "setup.cfg").read_text()
    assert f'-m "{benchmark.LANES["default"]}"' in config
    assert benchmark.WORKERS.replace("auto", "$(WORKERS)") in make
    assert f'-m "{benchmark.LANES["medium"]}"' in make
    assert f"-m {benchmark.LANES['slow']}\n" in make
