"""Threads for what may never end: a file system that hangs, a FIFO where a file should be."""

import asyncio
import contextlib
import threading


class LeftBehind:
    """Runs functions in threads of their own, which neither each other nor the end of the process wait for."""

    def __init__(self):
        self._running = set()

    def __bool__(self):
        """Whether one has not ended yet."""
        return bool(self._running)

    def start(self, function, *arguments):
        """A future for what the function returns. Whoever waits for it may give up; the thread goes on."""
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
                future.exception()  # seen, also where nobody waits any more

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
