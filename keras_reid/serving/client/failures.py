"""Errors between a client and its server, and retries for those that may pass."""

import random
import time
from collections.abc import Callable
from typing import Any

from keras_reid.utils.errors import UserError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0  # seconds


class ServingError(UserError):
    """The server could not be reached, or gave an unusable answer."""


class Refused(ServingError):
    """The request itself is wrong; the server would reject it again."""


class Unavailable(ServingError):
    """There is no connection, or the server is starting, stopping or full; the same request may pass later.

    Args:
        message: what happened.
        pause: seconds until the next try, if the server asked for a pause.
    """

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


def with_retries(call: Callable[[], Any], retries: int, sleep: Callable[[float], object] = time.sleep) -> Any:
    """Returns `call()`, repeating it after each `Unavailable`, at most `retries` times.

    The pauses are `0.2 · 2^k` seconds, at most 10, times a random factor between 0.5 and 1, so that clients that failed
    together do not come back together. If the server asks for a longer pause, that one is used. Requests that timed out
    are not repeated: the server may still be working on them, and would do the work twice.
    """
    for attempt in range(retries + 1):
        try:
            return call()
        except Unavailable as error:
            if attempt == retries:
                raise
            pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1)
            sleep(max(pause, min(error.pause or 0, _LONGEST_PAUSE)))
