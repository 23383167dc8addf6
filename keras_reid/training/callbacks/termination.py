"""SIGTERM, by which cluster schedulers announce that they will kill a job."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_reid.training.callbacks.checkpoints import Position


class Terminated(Exception):
    """Raised when the process was asked to end, after the state was saved.

    Args:
        position: up to where, a `Position`.
    """

    def __init__(self, position: Position) -> None:
        super().__init__(f"stopped after {position}")
        self.position = position


@contextlib.contextmanager
def termination() -> Iterator[Callable[[], bool]]:
    """Yields a callable that says whether SIGTERM came; within the block it does not end the process.

    Outside the main thread, where Python allows no signal handlers, it never comes.

    Example:
        >>> with termination() as requested:
        ...     Checkpoints("checkpoints", stop=requested)
    """
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, before)
