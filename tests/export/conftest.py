import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest


def small_model(num_classes=5, seed=0, pooling=None):
    """A `ReIDModel` with one convolution and non-initial statistics."""
    from keras_reid.heads import BNNeckHead
    from keras_reid.layers import GeMPooling2D
    from keras_reid.models import ReIDModel

    keras.utils.set_random_seed(seed)
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(8, 3, strides=2),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    )
    model = ReIDModel(backbone, pooling or GeMPooling2D(), BNNeckHead(num_classes), image_size=(32, 16))
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "moving" in variable.path or "gamma" in variable.path or "beta" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture
def model():
    return small_model()


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    small_model().save(path)
    return path


@pytest.fixture(scope="session")
def other_process():
    """`other_process(runner, artefact, folder, *signatures)`: a shared process for the parity checks."""
    from keras_reid.export import parity

    script = pathlib.Path(parity.__file__).with_name("fresh_process.py")
    with subprocess.Popen(
        [sys.executable, "-P", pathlib.Path(__file__).with_name("artefacts.py"), script],
        env={**os.environ, **parity.ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def run(*words):
            process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline()) or None

        yield run
        process.stdin.close()


@pytest.fixture(autouse=True)
def one_process(request, monkeypatch):
    """All tests here run the parity check in that process; yields the function that would start a new one."""
    from keras_reid.export import parity

    starts_one = parity._run_elsewhere
    # Requested only when needed, because most tests here compare no artefact.
    run = lambda *words: request.getfixturevalue("other_process")(*words)  # noqa: E731
    monkeypatch.setattr(parity, "_run_elsewhere", run)
    return starts_one


@pytest.fixture
def own_process(one_process, monkeypatch):
    """Starts a new process for each artefact, as outside the tests."""
    from keras_reid.export import parity

    monkeypatch.setattr(parity, "_run_elsewhere", one_process)
