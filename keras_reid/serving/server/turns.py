"""Whose turn it is on the threads for work that takes long."""

import asyncio
import contextlib
import heapq
import itertools


class Turns:
    """Runs pieces of work in a few threads, those of the lightest requests first.

    A request hands over one piece at a time. So however much the others want, a request waits for the piece that runs
    and for those of requests that are no heavier than itself; and once it has given up, nothing of it runs but the
    piece that was begun.

    Args:
        executor: the threads.
        threads: how many it has.
    """

    def __init__(self, executor, threads):
        self._executor, self._free = executor, threads
        self._waiting, self._numbers = [], itertools.count()

    async def run(self, weight, function, *arguments):
        """`function(*arguments)` in a thread, when it is its turn.

        Args:
            weight: work of the whole request, in any unit.
        """
        await self._turn(weight)
        loop = asyncio.get_running_loop()
        try:
            running = self._executor.submit(function, *arguments)
        except BaseException:
            self._next()
            raise
        # The thread is free when the work has ended, not when nobody waits for it any more.
        running.add_done_callback(lambda _: _soon(loop, self._next))
        return await asyncio.wrap_future(running)

    async def _turn(self, weight):
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (weight, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self._next()
            raise

    def _next(self):
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _soon(loop, function):
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everyone who waits
        loop.call_soon_threadsafe(function)
