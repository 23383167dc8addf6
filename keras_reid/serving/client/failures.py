"""What can go wrong between a client and its server, and which of it is worth another try."""

import random
import time

from keras_reid.utils.errors import UserError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0  # seconds


class ServingError(UserError):
    """The server could not be asked, or gave no answer that can be used."""


class Refused(ServingError):
    """The server says that the request itself is wrong: the same request will be refused again."""


class Unavailable(ServingError):
    """No connection, or a server that is starting, stopping or full: the same request may pass later.

    Args:
        message: what happened.
        pause: seconds after which the server wants to be asked again, if it said so.
    """

    def __init__(self, message, pause=None):
        super().__init__(message)
        self.pause = pause


def with_retries(call, retries, sleep=time.sleep):
    """`call()`, again after each `Unavailable`, at most `retries` times.

    The pauses are `0.2 · 2^k` seconds, at most 10, times a random factor between 0.5 and 1: many clients that failed
    together do not come back together. A pause that the server asks for counts instead, if it is longer. Requests
    that ran out of time are not repeated: the server may still be at them, and would have the work twice.
    """
    for attempt in range(retries + 1):
        try:
            return call()
        except Unavailable as error:
            if attempt == retries:
                raise
            pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1)
            sleep(max(pause, min(error.pause or 0, _LONGEST_PAUSE)))
