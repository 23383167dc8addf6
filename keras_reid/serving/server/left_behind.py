"""Threads for work that may hang forever, such as on a dead file system or on a FIFO instead of a file."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any


class LeftBehind:
    """Runs each function in its own daemon thread, so that nothing ever waits for one that hangs."""

    def __init__(self) -> None:
        self._running = set()

    def __bool__(self) -> bool:
        """Whether a function is still running."""
        return bool(self._running)

    def start(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Returns a future for the function's result. A caller may stop waiting; the thread continues."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._running.add(future)

        def settle(result, error):
            self._running.discard(future)
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
                future.exception()  # mark as seen, in case nobody waits any more

        def work():
            result = error = None
            try:
                result = function(*arguments)
            except Exception as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, result, error)

        threading.Thread(target=work, daemon=True, name="may be left behind").start()
        return future
