"""Schedules pieces of long work on a few threads."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class Turns:
    """Runs pieces of work in a few threads, those of the lightest requests first.

    A request submits one piece at a time. So it waits only for the piece that is running and for requests that are no
    heavier than itself, however much work the others have. When a request is abandoned, only its current piece is
    finished.

    Args:
        executor: executor that runs the pieces.
        threads: number of its threads.
    """

    def __init__(self, executor: Executor, threads: int) -> None:
        self._executor, self._free = executor, threads
        self._waiting, self._numbers = [], itertools.count()

    async def run(self, weight: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs `function(*arguments)` in a thread when its turn comes.

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
        # The thread becomes free when the work ends, even if the caller has stopped waiting.
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
            if turn.done() and not turn.cancelled():  # the turn came at the same moment
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
    with contextlib.suppress(RuntimeError):  # the loop has ended, so nobody waits any more
        loop.call_soon_threadsafe(function)
