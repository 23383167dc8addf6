"""Sends the events of the watch list to addresses that were named at the start."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import hmac
import ipaddress
import json
import logging
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import urllib3

from keras_reid.gallery.postgres import watches
from keras_reid.gallery.service.records import WatchEvent, plain
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.gallery.service.events import EventFeed
    from keras_reid.gallery.service.metrics import Metrics

_LOG = logging.getLogger(__name__)
_TIMEOUT = urllib3.Timeout(connect=5, read=10)
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0  # seconds
_LEAST_SECRET = 32  # characters
# IPv6 addresses by which gateways and systems reach an IPv4 address, and at which bit this stands in them.
_HOLDING_IPV4 = (
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


class NotDelivered(Exception):
    """A webhook did not take an event; the message says why."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Where events are sent to.

    Args:
        scheme: "https", or "http" for a host that was named as private.
        host: its name.
        port: its port.
        path: with the query.
        is_private: whether the host may have a private address.
    """

    scheme: str
    host: str
    port: int
    path: str
    is_private: bool

    @classmethod
    def of(cls, address: str, private_hosts: Collection[str] = ()) -> Target:
        """The target of an address.

        Args:
            address: https://HOST/…
            private_hosts: hosts that may have private addresses, and need no encryption.

        Raises:
            UserError: it is no such address, or holds a password.

        Example:
            >>> Target.of("https://example.org/hook?a=1").path
            '/hook?a=1'
        """
        try:
            url = urllib3.util.parse_url(address)
        except urllib3.exceptions.LocationParseError:
            url = urllib3.util.Url()
        host = (url.host or "").strip("[]").lower()
        is_private = host in {one.lower() for one in private_hosts}
        if not host or url.auth or url.fragment or url.scheme not in ("https", "http"):
            # The address may hold a secret, so no message repeats it.
            raise UserError(
                f"--webhook must be https://HOST/…, without user, password and fragment. Received: …{host}…"
            )
        if url.scheme == "http" and not is_private:
            raise UserError(
                f"--webhook must be https://…, unless its host is named with --private-webhook-host. Received: {host}"
            )
        return cls(
            url.scheme, host, url.port or (443 if url.scheme == "https" else 80), url.request_uri, is_private
        )

    @property
    def key(self) -> bytes:
        """What names it in the store: a hash, as addresses may hold secrets."""
        return hashlib.sha256(f"{self.scheme}://{self.host}:{self.port}{self.path}".encode()).digest()

    def address(self) -> str:
        """An address of the host that may be connected to. The name is not looked up again.

        Raises:
            NotDelivered: the name is unknown, or has an address that is not public.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NotDelivered("its name is unknown") from None
        addresses = [str(one[4][0]) for one in found]
        if not self.is_private and not all(map(_is_public, addresses)):
            raise NotDelivered("its address is private, and it was not named with --private-webhook-host")
        return addresses[0]


def signature(secret: str, moment: int, body: bytes) -> str:
    """What proves to a receiver that a body is ours: HMAC-SHA256(secret, "MOMENT." ‖ body), in hexadecimal.

    Args:
        secret: that both know.
        moment: seconds since 1970; the receiver refuses old ones.
        body: of the request.

    Example:
        >>> signature("secret", 0, b"{}")[:8]
        '4bbe8d39'
    """
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def check_secret(secret: str) -> str:
    """The secret of a file or variable, without white space around it.

    Raises:
        UserError: it is too short.
    """
    secret = secret.strip()
    if len(secret) < _LEAST_SECRET:
        raise UserError(
            f"the secret of webhooks must have at least {_LEAST_SECRET} characters. Received: {len(secret)}"
        )
    return secret


def send(target: Target, secret: str, event: WatchEvent) -> None:
    """Sends an event, as JSON without names; follows no redirect.

    Raises:
        NotDelivered: the host does not take it.
    """
    about = plain(event)
    del about["name"]
    body, moment = json.dumps(about).encode(), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "Host": _host_header(target),
        "User-Agent": "keras_reid",
        "X-Gallery-Event": str(event.id),
        "X-Gallery-Signature": f"t={moment},v1={signature(secret, moment, body)}",
    }
    with _pool(target) as pool:
        try:
            answer = pool.request(
                "POST", target.path, body=body, headers=headers, redirect=False, retries=False, timeout=_TIMEOUT,
                preload_content=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise NotDelivered(type(error).__name__) from None
        status = answer.status
        answer.close()  # unread: it may be endless
    if not 200 <= status < 300:
        raise NotDelivered(f"it answered with {status}")


class Webhooks:
    """Delivers each event at least once to each target, in order, by one process at a time.

    Args:
        store: the store.
        targets: where to.
        secret: that signs the bodies.
        feed: that wakes it up.
        metrics: of the process.
    """

    def __init__(
        self, store: PostgresStore, targets: Sequence[Target], secret: str, feed: EventFeed, metrics: Metrics
    ) -> None:
        self._store, self._targets, self._secret = store, targets, secret
        self._feed, self._metrics = feed, metrics

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Delivers inside the block."""
        threads = ThreadPoolExecutor(max(1, len(self._targets)), thread_name_prefix="webhook")
        tasks = [asyncio.create_task(self._deliver_all(one, threads)) for one in self._targets]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            threads.shutdown(wait=False, cancel_futures=True)

    async def _deliver_all(self, target, threads):
        loop, wait, is_known = asyncio.get_running_loop(), _FIRST_WAIT, False
        with self._feed.waker() as waker:
            while True:
                waker.clear()
                try:
                    if not is_known:
                        await loop.run_in_executor(threads, self._register, target)
                        is_known = True
                    if await loop.run_in_executor(threads, self._deliver, target):
                        wait = _FIRST_WAIT
                    else:
                        await waker.wait()
                except Exception as error:  # whatever it is, the events after it are wanted too
                    why = error if isinstance(error, (NotDelivered, UserError)) else type(error).__name__
                    self._metrics.deliveries.labels("failed").inc()
                    _LOG.warning("the webhook at %s: %s; trying again in %.0f s", target.host, why, wait)
                    await asyncio.sleep(wait * random.uniform(0.5, 1))
                    wait = min(2 * wait, _LONGEST_WAIT)

    def _register(self, target):
        self._store.database.run(lambda connection: watches.register(connection, target.key))

    def _deliver(self, target):
        """Delivers the next event; whether there was one."""

        def work(connection):
            row = watches.next_for(connection, target.key)
            if row is None:
                return False
            send(target, self._secret, WatchEvent(*row))
            watches.delivered(connection, target.key, row[0])
            return True

        done = self._store.database.run(work)
        if done:
            self._metrics.deliveries.labels("delivered").inc()
        return done


def _pool(target):
    """A pool of one connection to an address that was checked, for the name that was given."""
    address = target.address()
    if target.scheme == "http":
        return urllib3.HTTPConnectionPool(address, target.port, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        address,
        target.port,
        maxsize=1,
        ssl_context=ssl.create_default_context(),
        server_hostname=target.host,
        assert_hostname=target.host,
    )


def _host_header(target):
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == (443 if target.scheme == "https" else 80) else f"{host}:{target.port}"


def _is_public(text):
    address = ipaddress.ip_address(text.partition("%")[0])
    for network, place in _HOLDING_IPV4:
        if address in network:
            address = ipaddress.IPv4Address((int(address) >> place) & 0xFFFF_FFFF)
    return address.is_global and not address.is_multicast and not getattr(address, "is_site_local", False)
