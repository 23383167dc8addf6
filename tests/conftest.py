"""What several test folders share: commands, one smoke run to work on, and how tests are spread over workers."""

import fcntl
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import sys

import numpy as np
import pytest

from tests.commands import run_command, run_process
from tests.gallery import servers

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # as many workers as cores: a thread each, also in their child processes
    os.environ.update({name: "1" for name in THREADS if name not in os.environ})

# In the background, as under nohup and in some gates, Ctrl-C is ignored, and so it would be in child processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = pathlib.Path(__file__).parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a file go to one worker, which makes its fixtures once; so do all that ask the embedded server.

    `xdist_group` would say the same, but has no effect with pytest 9.2 and pytest-xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "tests/serving" if nodeid.startswith("tests/serving/") else nodeid.partition("::")[0]

    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def configuration(tmp_path_factory):
    """The user's configuration folder, one for all workers and their child processes: what a worker's run has noted
    counts for the others, and nothing is written into the real one.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(shared / "configuration"))
        # Measuring which gradient of a convolution is fastest takes time; `utils/test_convolution.py` does it.
        patch.setenv("KERAS_REID_CONVOLUTIONS", "plain")
        with servers.programs_for_all() as programs:
            if programs:
                patch.setenv("KERAS_REID_POSTGRES", str(programs))
            yield shared / "configuration"


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, alone or among others: Keras draws its seeds from Python's.

    Not by `keras.utils.set_random_seed`: it empties TensorFlow's caches, which has crashed when a thread of an earlier
    test still used them, and costs time. Tests draw nothing from TensorFlow's own stateful generators.
    """
    random.seed(0)
    np.random.seed(0)
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config  # a run switches it on, and nothing public off again

        if config.is_op_determinism_enabled():
            config.disable_op_determinism()


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """`once("name", make)` → a folder that `make(folder)` filled, once for all workers. Read-only."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name, make):
        path = shared / "once" / name
        path.mkdir(parents=True, exist_ok=True)
        with open(path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be making it
            if not path.with_suffix(".done").exists():
                make(path)
                path.with_suffix(".done").touch()
        return path

    return folder


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """`command("fit", "FILE", ...)` runs a command in a folder of its own; returns its exit code and what it said.

    It runs in this process. `command.process("fit", ...)` starts one, for what only a process shows.
    """
    folder = tmp_path_factory.mktemp("commands")

    def run(name, *arguments, ok=True, cwd=folder, how=run_command):
        finished = how(name, arguments, cwd)
        if ok:
            assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished

    run.folder = folder
    run.process = functools.partial(run, how=run_process)
    return run


@pytest.fixture(scope="module")
def loaded():
    """What `load_once` keeps."""
    return {}


@pytest.fixture
def load_once(loaded, monkeypatch):
    """Commands get a model that was loaded before again: it is called much faster than one that was not called."""
    from keras_reid import models
    from keras_reid.utils.model_file import find_model_file, fingerprint
    from keras_reid.utils.model_metadata import read_metadata

    real = models.load_model

    def load_model(run_or_model, trust_code=False):
        file = find_model_file(run_or_model)
        key = (str(file), fingerprint(file), json.dumps(read_metadata(file)))
        if key not in loaded:
            loaded[key] = real(run_or_model, trust_code)
        return loaded[key]

    monkeypatch.setattr(models, "load_model", load_model)


@pytest.fixture(scope="session")
def smoke_run(command, once):
    """The run directory of `fit experiments/quickstart.py --smoke` as users start it, and what it printed.

    Read-only. Its data are found from the folder `run.parents[1]`.
    """

    def make(folder):
        finished = command.process("fit", ROOT / "experiments" / "quickstart.py", "--smoke", cwd=folder)
        (folder / "printed.txt").write_text(finished.stdout)

    folder = once("smoke", make)
    return folder / "runs" / "quickstart-smoke", (folder / "printed.txt").read_text()


@pytest.fixture
def copied_run(smoke_run, tmp_path, monkeypatch):
    """A copy of it that a test may change, in a working directory with its data."""
    shutil.copytree(smoke_run[0].parents[1], tmp_path / "copied")
    monkeypatch.chdir(tmp_path / "copied")
    return tmp_path / "copied" / "runs" / "quickstart-smoke"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on loopback, whose cache is in the test's folder; huggingface_hub speaks to no other."""
    from huggingface_hub import constants

    from tests.zoo import hub_server

    with hub_server.running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        yield hub
