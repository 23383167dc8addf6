"""Work on rows in as many threads as there are cores; NumPy releases the interpreter's lock in its loops."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

_NAME = "keras_reid_evaluation"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[..., Any], count: int, *arguments: Any, least: int = 8) -> None:
    """Calls `function(start, stop, *arguments)` for stretches of `range(count)` at the same time.

    Args:
        function: works on a stretch.
        count: of what is to be done.
        arguments: of the function, behind the stretch.
        least: length of a stretch that is worth a thread. Defaults to 8.

    Example:
        >>> done = []
        >>> in_threads(lambda start, stop: done.extend(range(start, stop)), 5)
        >>> sorted(done)
        [0, 1, 2, 3, 4]
    """
    threads = min(os.cpu_count() or 1, count // least)
    # A thread of the pool that waited for others of the pool might wait for ever.
    if threads < 2 or threading.current_thread().name.startswith(_NAME):
        function(0, count, *arguments)
        return
    edges = [count * thread // threads for thread in range(threads + 1)]
    futures = [_pool().submit(function, *edge, *arguments) for edge in itertools.pairwise(edges)]
    concurrent.futures.wait(futures)
    for future in futures:
        future.result()


@functools.cache
def _pool():
    return concurrent.futures.ThreadPoolExecutor(os.cpu_count(), thread_name_prefix=_NAME)
