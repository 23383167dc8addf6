"""Stores for the tests: `private_server` and `server` run once for a worker; each test finds their stores empty."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_reid.embedding import UnreadableImage
from keras_reid.gallery import ModelIdentity
from tests.gallery import servers

DIM = 16
MODEL = ModelIdentity("runs/tests", "a" * 32, DIM)
OTHER_MODEL = ModelIdentity("runs/other", "b" * 32, DIM)


@pytest.fixture(scope="session")
def private_server():
    with servers.private_store() as server:
        yield server


@pytest.fixture(scope="session")
def server():
    with servers.open_folder() as folder:
        one = servers.Server(folder)
        yield one
        one.stop("immediate")


@pytest.fixture
def private_folder(private_server):
    """The folder of a private store that is empty."""
    servers.emptied(private_server.address)
    return private_server.folder


@pytest.fixture
def server_url(server):
    """The URL of a database in which there is no store."""
    servers.emptied(server.url())
    return server.url()


@pytest.fixture(params=["private", "url"])
def address(request):
    """The address of an empty store: of a private one, and of one on a server."""
    return request.getfixturevalue({"private": "private_folder", "url": "server_url"}[request.param])


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def random_embeddings(count, dim=DIM, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((count, dim)))


def mean_colours(contents):
    """`(n, 3)` of image files, in place of a network."""
    rows = []
    for content in contents:
        try:
            with Image.open(io.BytesIO(content)) as image:
                rows.append(np.asarray(image.convert("RGB"), np.float32).mean(axis=(0, 1)))
        except Exception:
            raise UnreadableImage("images[0]: truncated or damaged") from None
    return np.reshape(rows, (-1, 3))
