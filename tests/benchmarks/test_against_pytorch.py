"""The comparison with PyTorch: what it refuses, adds up, prints and draws. Without PyTorch, which tests do not need."""

import csv
import itertools
import sys
from typing import ClassVar

import pytest

from keras_reid.utils.errors import UserError
from tests.benchmarks import import_benchmark
from tests.conftest import ROOT

HERE = {
    "device": "CPU",
    "cores": 2,
    "machine": "x86_64",
    "tensorflow": "2",
    "keras": "3",
    "date": "2026-11-29",
}


@pytest.fixture(scope="module")
def benchmark():
    return import_benchmark("against_pytorch")


def row(work, mode, seconds, depth=18):
    return {
        **{
            "depth": str(depth),
            "height": "128",
            "width": "64",
            "batch": "32",
            "instructions": "all instructions",
        },
        **{"work": work, "mode": mode, "seconds": str(seconds), "device": "CPU", "cores": "2"},
    }


def test_times_add_up_to_a_median(benchmark):
    key = {"batch": 32, "work": "train"}
    once = benchmark.with_time([], key, 2.0)
    assert once == {**key, "seconds": "2.0000", "images_per_second": "16.00", "times": "2.0000"}
    more = benchmark.with_time([benchmark.with_time([once], key, 8.0)], key, 4.0)
    assert more["times"] == "2.0000 8.0000 4.0000"
    assert more["seconds"] == "4.0000"
    assert benchmark.with_time([], {**key, "work": "first step"}, 2.0)["images_per_second"] == ""


def test_the_table_compares_with_the_best_of_pytorch(benchmark):
    rows = [row("first step", "keras_reid", 12), row("first step", "eager", 6)]
    rows += [row("train", "keras_reid", 2), row("train", "eager", 4), row("train", "fused", 3)]
    head, _, *lines = benchmark.table(rows).splitlines()
    assert head == "| work | processor | keras_reid | fused | channels_last | eager | compiled | ratio |"
    assert lines == [
        "| train, ResNet-18, 128×64 | all instructions | 2 s | 3 s |  | 4 s |  | 1.50 |",
        "| first step, ResNet-18, 128×64 | all instructions | 12 s |  |  | 6 s |  | 0.50 |",
        "| first step less a step, ResNet-18, 128×64 | all instructions | 10 s |  |  | 2 s |  | 0.20 |",
    ]


def test_losses_that_differ_are_refused(benchmark):
    benchmark.check_losses({"keras_reid": 7.0, "eager": 7.001})
    with pytest.raises(
        UserError, match=r"must agree to 0\.001\. Received: keras_reid 7\.00000, eager 7\.10000"
    ):
        benchmark.check_losses({"keras_reid": 7.0, "eager": 7.1})


def test_refuses_a_python_without_pytorch_before_it_measures(benchmark, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -S -c 'raise ImportError(\"nothing here\")'\n")
    python.chmod(0o755)
    monkeypatch.setattr(benchmark.turns, "Side", None)
    with pytest.raises(UserError, match=r"python has no PyTorch: ImportError: nothing here\. Install torch"):
        benchmark.main(["--torch-python", str(python), "--output", str(tmp_path / "times.csv")])
    assert not (tmp_path / "times.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repeats", "0"], "--repeats and --threads must be positive"),
        (["--only", "table", "--output", "missing.csv"], r"missing\.csv does not exist: measure first"),
    ],
)
def test_bad_arguments(benchmark, arguments, message):
    with pytest.raises(UserError, match=message):
        benchmark.main(arguments)


def test_the_page_has_the_table_and_the_picture_is_drawn(benchmark, tmp_path, capsys):
    copy = tmp_path / "times.csv"
    copy.write_text(benchmark.RESULTS.read_text())
    benchmark.main(["--only", "table", "--output", str(copy)])
    assert capsys.readouterr().out.strip() in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert (tmp_path / "times.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture
def sides(benchmark, tmp_path, monkeypatch):
    """Stands in for the two processes: `sides.asked` is what they were asked, in order."""

    class Side:
        asked: ClassVar[list] = []

        def __init__(self, command, environment, name):
            self.name = name

        def ask(self, question, work, mode, **arguments):
            self.asked.append((self.name, question, work, mode))
            if mode == "compiled":
                raise benchmark.turns.SideError("no compiler")
            return 7.0 if question == "prepare" else 0.5

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(benchmark.turns, "Side", Side)
    monkeypatch.setattr(benchmark, "torch_version", lambda python: "2")
    monkeypatch.setattr(benchmark.measuring, "machine", lambda: dict(HERE))
    return Side


def test_modes_take_turns_and_the_one_without_a_compiler_is_left_out(benchmark, sides, tmp_path, capsys):
    output = tmp_path / "times.csv"
    arguments = ["--depth", "18", "--work", "train", "forward", "--modes", "keras_reid", "eager", "compiled"]
    arguments += ["--threads", "2", "--output", str(output)]
    benchmark.main([*arguments, "--repeats", "2"])
    assert [asked for asked in sides.asked if asked[1] == "turn"] == 2 * [
        ("keras_reid", "turn", "train", "keras_reid"),
        ("pytorch", "turn", "train", "eager"),
        ("keras_reid", "turn", "forward", "keras_reid"),
        ("pytorch", "turn", "forward", "eager"),
    ]
    assert "train, compiled: left out: no compiler" in capsys.readouterr().out
    with open(output, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["work"], row["mode"], row["times"]) for row in rows] == [
        (work, mode, "0.5000 0.5000") for work in ("train", "forward") for mode in ("keras_reid", "eager")
    ]
    benchmark.main([*arguments, "--repeats", "1"])
    assert "0.5000 0.5000 0.5000" in output.read_text()
    benchmark.main([*arguments, "--repeats", "1", "--anew"])
    assert "0.5000 0.5000" not in output.read_text()


def test_emulation_is_a_row_of_its_own(benchmark, sides, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark.time, "perf_counter", itertools.count().__next__)
    output = tmp_path / "times.csv"
    arguments = ["--depth", "50", "--work", "first step", "--modes", "eager", "--repeats", "1"]
    for more in ([], ["--avx2"]):
        benchmark.main([*arguments, *more, "--output", str(output)])
    with open(output, newline="") as stream:
        assert [row["instructions"] for row in csv.DictReader(stream)] == ["all instructions", "AVX2 alone"]
