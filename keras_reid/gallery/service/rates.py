"""How many requests somebody may send, and how often they may guess a token."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from keras_reid.gallery.service.service_error import ServiceError

_MOST = 10_000  # clients that are remembered


class Rate:
    """A bucket for each client: it fills at a steady rate, and each request takes one drop.

    Args:
        per_minute: requests in the long run.
        burst: requests at once.
        what: for the message.
        clock: seconds.

    Example:
        >>> rate = Rate(60, 1, "requests", clock=lambda: 0.0)
        >>> rate.take("10.0.0.1"), rate.wait("10.0.0.1")
        (None, 1.0)
    """

    def __init__(
        self, per_minute: float, burst: int, what: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._what, self._clock = per_minute / 60, burst, what, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Takes a drop.

        Raises:
            ServiceError: 429, with the seconds to wait.
        """
        self.check(client)
        left, now = self._now(client)
        self._left.pop(client, None)  # so that it comes last
        self._left[client] = left - 1, now
        while len(self._left) > _MOST:
            self._left.popitem(last=False)

    def check(self, client: str) -> None:
        """Refuses a client whose bucket is empty, without taking a drop.

        Raises:
            ServiceError: 429.
        """
        if wait := self.wait(client):
            seconds = math.ceil(wait)
            raise ServiceError(429, f"too many {self._what}: wait {seconds} s", seconds)

    def wait(self, client: str) -> float:
        """Seconds until there is a drop; 0 if there is one."""
        left, _ = self._now(client)
        return 0.0 if left >= 1 else (1 - left) / self._per_second

    def _now(self, client):
        left, then = self._left.get(client, (float(self._burst), self._clock()))
        now = self._clock()
        return min(self._burst, left + (now - then) * self._per_second), now
