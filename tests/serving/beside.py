"""Sends good requests while a test attacks a server."""

import concurrent.futures
import contextlib
import threading
import time

from keras_reid.serving.client import Client
from tests.serving.conftest import jpeg

SOON = 2.0  # seconds within which a good request is answered, whatever other requests do
BUSY = 15.0  # the same on a machine that also runs other tests; a blocked request would wait for a minute


@contextlib.contextmanager
def good_requests_beside(server, within=SOON):
    """Inside the block, good requests are sent all the time over both protocols; each must be answered soon."""
    over, seconds, errors = threading.Event(), [], []
    with Client(server.rest) as client:
        expected = client.embed([jpeg()])

    def ask(url):
        with Client(url, retries=0, timeout=60) as client:
            while not over.is_set():
                start = time.monotonic()
                try:
                    assert abs(client.embed([jpeg()]) - expected).max() < 1e-5
                except Exception as error:
                    errors.append(error)
                seconds.append(time.monotonic() - start)
                over.wait(0.05)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask, url) for url in (server.rest, f"grpc://{server.grpc}")]
        try:
            yield
        finally:
            over.set()
        for one in asking:
            one.result()
    assert errors == []
    assert len(seconds) > 4
    assert max(seconds) < within
