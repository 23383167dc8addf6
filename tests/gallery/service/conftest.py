"""A gallery of coloured squares: each colour is an identity, and its embedding comes from the mean colour."""

import contextlib
import dataclasses
import datetime
import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from keras_reid import gallery as galleries
from keras_reid.gallery.postgres import tokens
from keras_reid.gallery.service.access import Access
from keras_reid.gallery.service.addresses import Addresses
from keras_reid.gallery.service.application import application
from keras_reid.gallery.service.callers import OWNER
from keras_reid.gallery.service.events import EventFeed
from keras_reid.gallery.service.hosts import Hosts
from keras_reid.gallery.service.limits import Limits
from keras_reid.gallery.service.operations import OpenGallery, enrol
from keras_reid.gallery.service.running import Service
from tests.gallery.conftest import DIM, MODEL, mean_colours, unit

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
COLOURS = {"Anna Katharina": (200, 30, 30), "王小明": (30, 200, 30), "محمد": (30, 30, 200)}

_MIX = np.linalg.qr(np.random.default_rng(0).standard_normal((DIM, 3)))[0]  # keeps angles


def square(colour, seed=0, kind="PNG", side=24):
    """An image file of a colour, another one for each seed."""
    noise = np.random.default_rng(seed).integers(-6, 7, (side, side, 3))
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(stream, kind)
    return stream.getvalue()


def embed(contents):
    return unit((mean_colours(contents) - 90) @ _MIX.T)


@pytest.fixture
def opened(private_folder):
    """Three identities with three sightings each, by two cameras, an hour apart."""
    with galleries.open(private_folder, MODEL) as store:
        one = OpenGallery(store, embed, None, (24, 24))
        for person, (name, colour) in enumerate(COLOURS.items()):
            for number in range(3):
                enrol(
                    one,
                    OWNER,
                    square(colour, 10 * person + number),
                    name,
                    "yard" if number == 2 else "door",
                    NOON + datetime.timedelta(hours=3 * person + number),
                    quality=number / 2,
                    source=f"{name}-{number}.png",
                )
        yield one


def limited(role="enrol", *cameras):
    return dataclasses.replace(OWNER, name=f"{role} of {cameras}", role=role, cameras=cameras or None)


PORT = 8600
BROWSER = {"Origin": f"http://127.0.0.1:{PORT}", "Sec-Fetch-Site": "same-origin"}


@contextlib.contextmanager
def client_of(opened, with_tokens=False, origins=(), proxies=(), peer="127.0.0.1", pages=(), **limits):
    """A client of the application, without a socket."""
    service = Service(
        opened,
        Access(opened.store, with_tokens),
        Hosts.of(origins, PORT),
        Addresses.of(proxies),
        Limits(**limits),
    )
    app = application(service, EventFeed(opened.store), pages)
    base = f"http://127.0.0.1:{PORT}"
    with TestClient(app, base, client=(peer, 50000), raise_server_exceptions=False) as client:
        yield client


def token_of(opened, role, cameras=None, expires=None, name=None):
    """The header of a new token."""
    token = opened.store.database.run(
        lambda connection: tokens.add(connection, name or f"a {role}", role, cameras, expires)
    )
    return {"Authorization": f"Bearer {token}"}
