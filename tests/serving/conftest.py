"""A tiny exported model and the embedded server that serves it, for all serving tests."""

import base64
import io

import numpy as np
import pytest
import urllib3
from PIL import Image

from tests.serving import tiny
from tests.serving.running import RunningServer


def jpeg(seed=0, size=(20, 30), format="JPEG"):
    """The bytes of an image file."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def b64(data):
    """Bytes in the JSON form."""
    return {"b64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def http():
    """Plain HTTP without retries."""
    with urllib3.PoolManager(retries=False, timeout=60) as pool:
        yield pool


@pytest.fixture(scope="session")
def savedmodel(tmp_path_factory):
    """A SavedModel as the exporter writes it; images are 32 × 16, embeddings have 8 numbers and length 1."""
    from keras_reid.export.savedmodel import export_savedmodel
    from tests.export.conftest import small_model

    folder = tmp_path_factory.mktemp("served") / "1"
    export_savedmodel(small_model(), folder)
    return folder


@pytest.fixture(scope="session")
def server(savedmodel, tmp_path_factory):
    """The embedded server with `savedmodel` as version 1 of the model reid; `export` is its folder."""
    running = RunningServer(tmp_path_factory.mktemp("server"), savedmodel.parent)
    running.export = savedmodel
    yield running
    running.close()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """`start("--option", …)` starts a server that ends with the module."""
    started = []

    def run(*arguments):
        started.append(RunningServer(tmp_path_factory.mktemp("server"), *arguments))
        return started[-1]

    yield run
    for running in started:
        running.close(ok=False)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A folder with version 1 of `tiny.write`."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny.write(folder / "1")
    return folder


@pytest.fixture(scope="session")
def tiny_server(tiny_model, tmp_path_factory):
    """The embedded server with that folder."""
    running = RunningServer(tmp_path_factory.mktemp("server"), tiny_model, "--poll-seconds", 0)
    yield running
    running.close()
