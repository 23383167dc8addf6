"""How many requests there are, and how far they are."""

import asyncio
import contextlib
import time

from serving.server.errors import ServingError
from serving.server.metrics import UNKNOWN


class Request:
    """One request under way: what the metrics will say of it."""

    def __init__(self, admission):
        self._admission, self.model, self._arriving = admission, UNKNOWN, True
        admission.arriving += 1

    def arrived(self):
        """All of it is here and decoded: whoever waits to share a batch with it need not wait any longer."""
        if self._arriving:
            self._arriving = False
            self._admission.arriving -= 1


class Admission:
    """Counts requests, and refuses those above the limit.

    Attributes:
        arriving: requests that are being received or decoded, which may soon have rows for a batch.
    """

    def __init__(self, max_concurrent, metrics):
        self._max, self._metrics = max_concurrent, metrics
        self.active = self.arriving = 0

    @contextlib.contextmanager
    def admit(self, protocol, method):
        """Yields the `Request`; counts it with the code of what the block raises."""
        if self.active >= self._max:
            self._metrics.requests.labels(protocol, method, UNKNOWN, "UNAVAILABLE").inc()
            raise ServingError(
                "UNAVAILABLE", f"the server already holds {self._max} requests; try again later"
            )
        self.active += 1
        self._metrics.active.set(self.active)
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
            request.arrived()
            self.active -= 1
            self._metrics.active.set(self.active)
            self._metrics.requests.labels(protocol, method, request.model, code).inc()
            self._metrics.seconds.labels(protocol, method).observe(time.perf_counter() - start)


@contextlib.asynccontextmanager
async def within(seconds):
    """Refuses the request if the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ServingError("DEADLINE_EXCEEDED", f"the request took longer than {seconds:g} s") from None
