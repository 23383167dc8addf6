"""Webhooks: to addresses of the start alone, signed, without redirects, each event once it is taken."""

import contextlib
import http.server
import json
import threading
import time

import pytest

from keras_reid.gallery.service import operations, webhooks
from keras_reid.gallery.service.api import ENDPOINTS, OTHERS
from keras_reid.gallery.service.callers import OWNER
from keras_reid.gallery.service.events import EventFeed
from keras_reid.gallery.service.metrics import Metrics
from keras_reid.gallery.service.records import WatchEvent
from keras_reid.gallery.service.webhooks import NotDelivered, Target, Webhooks, send, signature
from tests.gallery.service.conftest import COLOURS, NOON, square

SECRET = "s" * 40
EVENT = WatchEvent(7, NOON, 3, "Anna Katharina", 12, "door", NOON, 0.05, None)


@contextlib.contextmanager
def receiver(answers=()):
    """A server that keeps what it gets, and answers with these statuses, then with 200."""
    got, left = [], list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            status = left.pop(0) if left else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Target.of(f"http://127.0.0.1:{server.server_port}/hook?a=1", ["127.0.0.1"]), got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_body_is_signed_and_holds_no_name():
    with receiver() as (target, got):
        send(target, SECRET, EVENT)
    ((path, headers, body),) = got
    moment, mac = (part.partition("=")[2] for part in headers["X-Gallery-Signature"].split(","))
    assert mac == signature(SECRET, int(moment), body)
    assert abs(time.time() - int(moment)) < 60
    assert (path, headers["X-Gallery-Event"]) == ("/hook?a=1", "7")
    assert headers["Host"] == f"127.0.0.1:{target.port}"
    assert json.loads(body)["identity"] == 3
    assert b"Anna" not in body


def test_redirects_are_not_followed():
    with receiver([302]) as (target, got):
        with pytest.raises(NotDelivered, match="it answered with 302"):
            send(target, SECRET, EVENT)
        assert len(got) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.1.2.3",
        "2002:a01:203::1",
        "::127.0.0.1",
        "fec0::1",
        "0.0.0.0",
        "224.0.0.1",
        "100.64.0.1",
    ],
)
def test_private_addresses_only_if_named(monkeypatch, address):
    """By what the name means when it is used, not by how it looks; and it is not looked up again."""
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", (address, port))]

    monkeypatch.setattr(webhooks.socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(NotDelivered, match="its address is private"):
        send(Target.of("https://hook.example.org/"), SECRET, EVENT)
    assert asked == ["hook.example.org"]
    assert Target.of("https://hook.example.org/", ["hook.example.org"]).address() == "93.184.216.34"


def test_targets_cannot_be_set_over_http():
    for one in (*ENDPOINTS, *OTHERS):
        assert "hook" not in one.path
        names = {each.name for each in (*one.query, *one.body)}
        assert not names & {"webhook", "url", "target", "address", "callback"}


def test_public_addresses():
    """Also as networks without IPv4 of their own show them."""
    for address in ("93.184.216.34", "2606:4700::1", "64:ff9b::93.184.216.34", "::ffff:93.184.216.34"):
        assert webhooks._is_public(address), address


@pytest.mark.medium
def test_each_event_arrives_in_order_also_after_failures(opened, monkeypatch):
    import asyncio

    monkeypatch.setattr(webhooks, "_FIRST_WAIT", 0.05)
    anna = operations.identity(opened, OWNER, "Anna Katharina").id
    operations.watch(opened, OWNER, anna)
    operations.enrol(
        opened, OWNER, square(COLOURS["Anna Katharina"], 400), anna
    )  # before the start: not sent
    metrics = Metrics()

    async def deliver(count, got):
        feed = EventFeed(opened.store)
        # Two processes on one store.
        both = [Webhooks(opened.store, [target], SECRET, feed, metrics) for _ in range(2)]
        async with feed.running(), both[0].running(), both[1].running():
            await asyncio.sleep(0.5)
            for seed in range(3):
                await asyncio.to_thread(
                    operations.enrol, opened, OWNER, square(COLOURS["Anna Katharina"], 401 + seed), anna
                )
            async with asyncio.timeout(30):
                while len(got) < count:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)

    delivered, mistakes = webhooks.watches.delivered, [ZeroDivisionError()]

    def fails_once(*values):
        if mistakes:
            raise mistakes.pop()  # of ours: delivery goes on all the same
        delivered(*values)

    monkeypatch.setattr(webhooks.watches, "delivered", fails_once)
    with receiver([500, 503]) as (target, got):
        asyncio.run(deliver(6, got))
    numbers = [int(headers["X-Gallery-Event"]) for _, headers, _ in got]
    assert numbers == [2, 2, 2, 2, 3, 4]
    assert metrics.deliveries.labels("delivered")._value.get() == 3
