"""Counts requests, limits their number, and tracks their progress."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

from keras_reid.serving.server.metrics import UNKNOWN, Metrics
from keras_reid.serving.server.serving_error import ServingError

_SMALL = 1 << 20  # bytes; smaller bodies do not count towards the limit of bytes


class Request:
    """A request in progress: its entry in the metrics, and the place it takes."""

    def __init__(self, admission: Admission) -> None:
        self._admission, self.model = admission, UNKNOWN
        self._has_place = self._arriving = False
        self._size = 0

    def enter(self, size: int) -> None:
        """Takes a place once the whole request has arrived, so that slow senders take none.

        Args:
            size: bytes of the body.
        """
        self._admission.take(size)
        self._has_place = self._arriving = True
        self._size = size

    def arrived(self) -> None:
        """Marks the request as decoded, so that no batch waits for its rows any longer."""
        if self._arriving:
            self._arriving = False
            self._admission.arriving -= 1

    def leave(self) -> None:
        self.arrived()
        if self._has_place:
            self._has_place = False
            self._admission.release(self._size)


class Admission:
    """Counts requests and rejects those above the limits.

    Args:
        max_concurrent: largest number of requests at the same time.
        max_bytes: largest total size of their bodies; small bodies do not count.
        metrics: `Metrics`.

    Attributes:
        active: requests that have a place.
        arriving: active requests that are still being decoded and may soon add rows to a batch.
    """

    def __init__(self, max_concurrent: int, max_bytes: int, metrics: Metrics) -> None:
        self._max, self._max_bytes, self._metrics = max_concurrent, max_bytes, metrics
        self.active = self.arriving = self._bytes = 0

    @contextlib.contextmanager
    def count(self, protocol: str, method: str) -> Iterator[Request]:
        """Yields a `Request` and counts it with the status code of the block."""
        request, start, code = Request(self), time.perf_counter(), "INTERNAL"
        try:
            yield request
            code = "OK"
        except ServingError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            request.leave()
            self._metrics.requests.labels(protocol, method, request.model, code).inc()
            self._metrics.seconds.labels(protocol, method).observe(time.perf_counter() - start)

    def take(self, size: int) -> None:
        """Takes a place for a request with a body of `size` bytes; called by `Request`."""
        if self.active >= self._max:
            raise ServingError(
                "UNAVAILABLE", f"the server already holds {self._max} requests; try again later"
            )
        if size > _SMALL and self._bytes + size > self._max_bytes:
            raise ServingError(
                "UNAVAILABLE",
                f"the server's requests already hold {self._bytes} bytes, and may hold {self._max_bytes}; "
                "try again later",
            )
        self._bytes += _counted(size)
        self.active += 1
        self.arriving += 1
        self._metrics.active.set(self.active)

    def release(self, size: int) -> None:
        self._bytes -= _counted(size)
        self.active -= 1
        self._metrics.active.set(self.active)


def _counted(size):
    return size if size > _SMALL else 0


@contextlib.asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Fails the request if the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ServingError("DEADLINE_EXCEEDED", f"the request took longer than {seconds:g} s") from None
