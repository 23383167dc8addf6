"""The benchmark for a GPU, on the processor with the smallest models."""

import csv
import json
from typing import ClassVar

import pytest

from keras_reid.utils.errors import UserError
from tests.benchmarks import import_benchmark


@pytest.fixture(scope="module")
def benchmark():
    return import_benchmark("gpu")


def rows_of(file):
    with open(file, newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_most_important_rows_come_first(benchmark):
    rows = benchmark.plan(benchmark.MODELS, benchmark.PRECISIONS, (False, True))
    assert len(rows) == len(set(rows)) == 30
    assert rows[:3] == [("resnet50", precision, False) for precision in benchmark.PRECISIONS]
    assert {model for model, *_ in rows[:13]} == set(benchmark.MODELS)
    assert rows[-1][1:] == ("mixed_float16", True)


def test_the_clock(benchmark, monkeypatch):
    now = 0.0
    monkeypatch.setattr(benchmark.time, "monotonic", lambda: now)
    clock = benchmark.Clock(100)
    assert clock.fits(xla=False)
    clock.took(False, 10)
    now = 85.0
    assert clock.left == 15
    assert clock.fits(xla=False)
    assert not clock.fits(xla=True)
    clock.took(False, 20)
    assert not clock.fits(xla=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "6"], "--batch a multiple of 4"),
        (["--minutes", "0"], "--size, --steps and --minutes must be positive"),
    ],
)
def test_bad_arguments(benchmark, arguments, message):
    with pytest.raises(UserError, match=message):
        benchmark.main(arguments)


def test_refuses_to_measure_a_gpu_that_is_not_there(benchmark, monkeypatch, tmp_path):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    with pytest.raises(UserError, match="TensorFlow sees no GPU"):
        benchmark.main(["--output", str(tmp_path / "gpu.csv")])


@pytest.fixture
def measured(benchmark, monkeypatch):
    """Stands in for the measuring process: `measured.values` is what it measures, `measured.fails` an error."""

    class Side:
        values: ClassVar[dict] = {
            **{"train_milliseconds": 80.0, "forward_milliseconds": 16.0, "first_step_seconds": 9.0},
            **{"train_megabytes": 2000.0, "forward_megabytes": 500.0, "embedding_difference": 2e-6},
        }
        fails: ClassVar[dict] = {}
        alive = True

        def __init__(self, command, environment, name):
            pass

        def ask(self, question, within, **arguments):
            json.dumps(arguments)
            if arguments["model"] in self.fails:
                raise benchmark.turns.SideError(self.fails[arguments["model"]])
            return {**self.values, **({} if arguments["parity"] else {"embedding_difference": None})}

        def kill(self):
            pass

    monkeypatch.setattr(benchmark.turns, "Side", Side)
    return Side


def test_rows_and_a_picture(benchmark, measured, tmp_path, capsys):
    output = tmp_path / "gpu.csv"
    benchmark.main(["--cpu", "--output", str(output)])
    rows = rows_of(output)
    assert {(row["model"], row["xla"]) for row in rows if row["model"] in benchmark.GROUPED} == {
        ("resnext50", "False"),
        ("resnest50", "False"),
    }
    assert len(rows) == 24
    first = rows[0]
    assert first["train_images_per_second"] == "800.0"
    assert first["train_megabytes"] == "2000"
    assert {row["embedding_difference"] for row in rows} == {"0.00000200", ""}
    said = capsys.readouterr().out
    assert (
        "resnet50, float32: train 80.00 ms, forward 16.00 ms, first step 9.0 s, 2000 MB, embeddings" in said
    )
    assert (
        "left out (on a processor XLA takes some 300 times as long for grouped convolutions): resnext50"
        in said
    )
    assert output.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"


def test_says_what_it_had_no_time_for(benchmark, measured, tmp_path, capsys):
    output = tmp_path / "gpu.csv"
    benchmark.main(["--cpu", "--minutes", "0.75", "--models", "resnet50", "--output", str(output)])
    assert [row["xla"] for row in rows_of(output)] == ["False"] * 3
    assert (
        "left out (no time): resnet50, float32, XLA; resnet50, mixed_bfloat16, XLA" in capsys.readouterr().out
    )


def test_fails_where_embeddings_differ_and_after_a_failed_row(benchmark, measured, monkeypatch, tmp_path):
    monkeypatch.setitem(measured.values, "embedding_difference", 2e-4)
    monkeypatch.setitem(measured.fails, "mgn", "out of memory")
    arguments = ["--cpu", "--models", "resnet50", "mgn", "--precisions", "float32", "--xla", "off"]
    with pytest.raises(
        UserError, match=r"2 failed: resnet50, float32: embeddings differ by 2\.0e-04.*memory"
    ):
        benchmark.main([*arguments, "--output", str(tmp_path / "gpu.csv")])
    assert [row["model"] for row in rows_of(tmp_path / "gpu.csv")] == ["resnet50"]


@pytest.mark.medium
def test_a_real_row_on_the_processor(benchmark, tmp_path):
    output = tmp_path / "gpu.csv"
    arguments = ["--cpu", "--smallest", "--models", "resnet50", "--precisions", "float32", "--xla", "off"]
    benchmark.main(
        [*arguments, "--size", "64", "32", "--batch", "8", "--steps", "1", "--output", str(output)]
    )
    (row,) = rows_of(output)
    assert float(row["embedding_difference"]) <= benchmark.TOLERANCE
    assert float(row["train_milliseconds"]) > 0
    assert float(row["forward_images_per_second"]) > 0
    assert row["train_megabytes"] == ""
