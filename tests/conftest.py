"""What several test folders share: commands in processes of their own, and one smoke run to work on."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, alone or among others."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """`command("fit", "FILE", ...)` runs a command in a folder of its own and returns the finished process."""
    folder = tmp_path_factory.mktemp("commands")

    def run(name, *arguments, ok=True, cwd=folder):
        process = subprocess.run(
            [sys.executable, "-m", f"keras_reid.{name}", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
        )
        if ok:
            assert process.returncode == 0, process.stdout + process.stderr
        return process

    run.folder = folder
    return run


@pytest.fixture(scope="session")
def smoke_run(command):
    """The run directory of `fit experiments/duke_circle.py --smoke`, and what it printed."""
    process = command("fit", ROOT / "experiments" / "duke_circle.py", "--smoke")
    return command.folder / "runs" / "duke_circle-smoke", process.stdout
