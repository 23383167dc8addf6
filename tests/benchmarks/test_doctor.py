"""The mistakes that the benchmark plants are there, and nothing else is."""

import csv
import importlib.util
import pathlib
import re

import pytest

from keras_reid.data import Folder
from keras_reid.data.doctor import Subject, examine
from keras_reid.data.synthetic.presets import Preset

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "doctor.py"
PRESET = Preset(train_identities=12, test_identities=8, cameras=3, person_size=(128, 64))


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("doctor_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        spec.loader.exec_module(module)
    return module


@pytest.mark.medium
def test_near_copies_are_found_and_nothing_else(benchmark, tmp_path):
    wrong, copies = benchmark.plant(
        tmp_path, 5, PRESET, {"train": 2, "gallery": 2}, {"parts": 2, "identities": 2, "cameras": 2}
    )
    dataset = Folder().read(tmp_path)
    paths = {sample.path for sample in (*dataset.train, *dataset.query, *dataset.gallery)}
    assert (len(wrong), len(copies)) == (4, 6)
    assert wrong < paths
    assert set().union(*copies) < paths
    assert len(paths) == 12 * 6 + 8 * 9 + 6
    found = examine(Subject(dataset, (dataset,)), "planted")
    pairs = {frozenset(pair) for pair in found.to_dict()["near_duplicates"]}
    assert pairs <= copies
    assert len(pairs) >= 5
    assert {one.lists[0] for one in found.findings if one.lists} == {"duplicates"}


def test_the_documented_figures_are_the_measured_ones():
    with open(ROOT / "benchmarks" / "results" / "doctor.csv", newline="") as stream:
        measured = [
            (row["seed"], row["wrong_found"], row["wrong_planted"], row["wrong_false"])
            + (row["copies_found"], row["copies_planted"], row["copies_false"])
            for row in csv.DictReader(stream)
        ]
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert re.findall(r"\| (\d) \| (\d+) of (\d+) \| (\d+) \| (\d+) of (\d+) \| (\d+) \|", text) == measured
