"""The wheel alone, in an environment of its own outside the checkout: from `keras-reid init` to a client's answer."""

import json
import os
import pathlib
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile

import numpy as np
import pytest

import keras_reid
from tests.conftest import ROOT
from tests.documentation.workplace import draw

pytestmark = pytest.mark.medium

SOURCES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the sdist and the wheel that `make wheel` builds, from a copy of the sources."""
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "keras_reid", folder / "keras_reid", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", folder], check=True, capture_output=True)
    return folder / "dist"


def test_the_wheel_and_the_sdist_hold_every_file(built):
    ours = {f"keras_reid/{file.relative_to(ROOT / 'keras_reid')}" for file in _files(ROOT / "keras_reid")}
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if name.startswith("keras_reid/")} == ours
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert ours | set(SOURCES) <= names
    assert sdist.name == f"keras_reid-{keras_reid.__version__}.tar.gz"


def _files(folder):
    return [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]


def test_twine_accepts_them(built):
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *built.iterdir()], check=True)


class Installed:
    """An environment with the wheel; its programs, run in a folder outside the checkout."""

    def __init__(self, wheel, folder):
        self.folder = folder
        environment = folder / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        self.python = environment / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", self.python]
        subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
        # TensorFlow and the other requirements (2 GB) are those of the tests' environment. A folder that a .pth file
        # names comes after the environment's own, and its .pth files are not read: the checkout, which is installed
        # there in editable mode, stays out. `test_it_is_the_wheel` makes sure.
        packages = pathlib.Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
        places = dict.fromkeys([*site.getsitepackages(), str(pathlib.Path(np.__file__).parents[1])])
        (packages / "tests.pth").write_text("\n".join(places) + "\n")

    def command(self, *words):
        return [str(self.python.parent / words[0]), *map(str, words[1:])]

    @property
    def options(self):
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {"cwd": self.folder, "env": kept, "text": True}

    def run(self, *words):
        """Runs a program of the environment, and returns what it printed."""
        process = subprocess.run(self.command(*words), capture_output=True, **self.options)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    (wheel,) = built.glob("*.whl")
    return Installed(wheel, tmp_path_factory.mktemp("outside"))


def test_it_is_the_wheel(installed):
    code = "import keras_reid, serving"
    process = subprocess.run(
        installed.command("python", "-c", code), capture_output=True, **installed.options
    )
    assert "No module named 'serving'" in process.stderr  # which only the checkout has
    where = installed.run("python", "-c", "import keras_reid; print(keras_reid.__file__)")
    assert pathlib.Path(where.strip()).is_relative_to(installed.folder / "environment")


def test_it_lists_its_commands(installed):
    listed = installed.run("keras-reid")
    assert listed == installed.run("python", "-m", "keras_reid")
    assert listed.startswith("usage: keras-reid COMMAND …\n\n  init ")
    assert installed.run("keras-reid", "--version") == f"keras_reid {keras_reid.__version__}\n"


def test_from_an_experiment_file_to_a_clients_answer(installed):
    folder = installed.folder
    assert installed.run("keras-reid", "init", "folder", "mine").startswith("mine.py: ")
    installed.run("keras-reid", "fit", "mine.py", "--smoke")
    installed.run("keras-reid", "export", "runs/mine-smoke", "--format", "savedmodel", "--output", "exports")
    installed.run("keras-reid", "publish", "exports/savedmodel/float32", "models/reid")
    draw(folder / "images" / "a.png", 1, 1)
    draw(folder / "images" / "b.png", 2, 1)
    installed.run("keras-reid", "embed", "runs/mine-smoke", "images", "--output", "local.npz")
    serve = [
        "keras-reid",
        "serve",
        "models/reid",
        "--rest-port",
        0,
        "--grpc-port",
        0,
        "--ready-file",
        "ready.json",
    ]
    with subprocess.Popen(installed.command(*serve), stderr=subprocess.PIPE, **installed.options) as server:
        try:
            address = _address(folder / "ready.json", server)
            for url in (address["rest"], f"grpc://{address['grpc']}"):
                client = [
                    "python",
                    "-m",
                    "keras_reid.serving.client",
                    url,
                    "images",
                    "--output",
                    "answer.npz",
                ]
                installed.run(*client)
                with np.load(folder / "answer.npz") as answer, np.load(folder / "local.npz") as local:
                    np.testing.assert_allclose(answer["embeddings"], local["embeddings"], atol=1e-4)
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=60)
    assert server.returncode == 0, log


def _address(file, server):
    """What the server writes when it is ready."""
    end = time.monotonic() + 300
    while not file.exists():
        assert server.poll() is None, server.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.1)
    return json.loads(file.read_text())
