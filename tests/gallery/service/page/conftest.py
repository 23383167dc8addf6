"""The page of a gallery: for a test client, and for a browser."""

import contextlib
import socket
import threading
from zoneinfo import ZoneInfo

import uvicorn

from keras_reid.gallery.service.access import Access
from keras_reid.gallery.service.addresses import Addresses
from keras_reid.gallery.service.application import application
from keras_reid.gallery.service.events import EventFeed
from keras_reid.gallery.service.hosts import Hosts
from keras_reid.gallery.service.limits import Limits
from keras_reid.gallery.service.page.routes import routes
from keras_reid.gallery.service.running import Service

ZONE = ZoneInfo("Europe/Berlin")


def page_of(opened, port, with_tokens=False):
    """The application with the page, and its event feed."""
    service = Service(
        opened, Access(opened.store, with_tokens), Hosts.of((), port), Addresses.of(()), Limits()
    )
    feed = EventFeed(opened.store)
    return application(service, feed, routes(ZONE)), feed


@contextlib.contextmanager
def served(opened, with_tokens=False):
    """The address of the page on a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        app, feed = page_of(opened, port, with_tokens)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            feed.stop()
            server.should_exit = True
            thread.join(30)
