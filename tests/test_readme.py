"""Runs what README shows."""

import shlex
import subprocess
import sys

import numpy as np
import pytest

from keras_reid.experiment import load_experiment
from tests import documentation as doc
from tests.checkpoints.writing import write_torch_file
from tests.conftest import ROOT
from tests.weights.test_fastreid import small_state

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = doc.blocks(README)


def block(containing):
    (code,) = [code for _, code in BLOCKS if containing in code]
    return code


def test_own_data(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(block("mine.py"))
    assert load_experiment(file).name == "mine"


def test_plain_keras():
    pictures = np.random.default_rng(0).random((32, 64, 32, 3)).astype("float32")
    names = {"pictures": pictures, "identities": np.repeat(np.arange(8), 4)}
    exec(block("TripletLoss"), names)
    assert names["model"].predict(pictures, verbose=0).shape == (32, 32)


def test_commands_parse():
    doc.check_commands(README)


def test_results_of_the_tasks():
    """README contains the table that the command prints."""
    command = [sys.executable, str(ROOT / "benchmarks" / "tasks.py"), "--only", "table"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.count("\n") > 6
    assert printed in README


def test_links_and_files_exist():
    doc.check_links(ROOT / "README.md")


@pytest.mark.slow
def test_conversion(command):
    """Runs the commands of "Weights from elsewhere" on a small network."""
    write_torch_file(command.folder / "market_bot_R50.pth", small_state())
    for line in block("keras_reid.convert").splitlines():
        _, _, module, *arguments = shlex.split(line)
        command(module.removeprefix("keras_reid."), *arguments, cwd=command.folder)
    assert (command.folder / "served" / "savedmodel" / "float32" / "parity.json").is_file()
