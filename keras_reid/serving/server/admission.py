"""How many requests there are, and how far they are."""

import asyncio
import contextlib
import time

from keras_reid.serving.server.errors import ServingError
from keras_reid.serving.server.metrics import UNKNOWN

_SMALL = 1 << 20  # bytes of a body that is not counted: so many requests may hold that much


class Request:
    """One request under way: what the metrics will say of it, and the place that it takes."""

    def __init__(self, admission):
        self._admission, self.model = admission, UNKNOWN
        self._has_place = self._arriving = False
        self._size = 0

    def enter(self, size):
        """Takes a place, now that all of it has arrived: whoever is slow to send takes none.

        Args:
            size: bytes of its body.
        """
        self._admission.take(size)
        self._has_place = self._arriving = True
        self._size = size

    def arrived(self):
        """It is decoded: whoever waits to share a batch with it need not wait any longer."""
        if self._arriving:
            self._arriving = False
            self._admission.arriving -= 1

    def leave(self):
        self.arrived()
        if self._has_place:
            self._has_place = False
            self._admission.release(self._size)


class Admission:
    """Counts requests, and refuses those above the limits.

    Args:
        max_concurrent: requests at a time.
        max_bytes: of their bodies together, where they are not small.
        metrics: `Metrics`.

    Attributes:
        active: requests that have a place.
        arriving: those of them that are being decoded, which may soon have rows for a batch.
    """

    def __init__(self, max_concurrent, max_bytes, metrics):
        self._max, self._max_bytes, self._metrics = max_concurrent, max_bytes, metrics
        self.active = self.arriving = self._bytes = 0

    @contextlib.contextmanager
    def count(self, protocol, method):
        """Yields the `Request`; counts it with the code of what the block raises."""
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

    def take(self, size):
        """A place for a request whose body has so many bytes; `Request` has this called."""
        if self.active >= self._max:
            raise ServingError(
                "UNAVAILABLE", f"the server already holds {self._max} requests; try again later"
            )
        if size > _SMALL and self._bytes + size > self._max_bytes:
            raise ServingError(
                "UNAVAILABLE",
                f"the requests that the server holds have {self._bytes} bytes, and may have {self._max_bytes}; "
                "try again later",
            )
        self._bytes += _counted(size)
        self.active += 1
        self.arriving += 1
        self._metrics.active.set(self.active)

    def release(self, size):
        self._bytes -= _counted(size)
        self.active -= 1
        self._metrics.active.set(self.active)


def _counted(size):
    return size if size > _SMALL else 0


@contextlib.asynccontextmanager
async def within(seconds):
    """Refuses the request if the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ServingError("DEADLINE_EXCEEDED", f"the request took longer than {seconds:g} s") from None
