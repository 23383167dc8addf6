import asyncio
import concurrent.futures
import threading

import pytest

from keras_reid.serving.server.turns import Turns


def run(scenario, threads=1):
    """Runs `scenario(turns, work)`; `work(name)` is recorded in `work.done` once `work.go` is set."""

    def work(name):
        work.begun.append(name)
        assert work.go.wait(10)
        return name

    work.begun, work.go = [], threading.Event()

    async def main():
        with concurrent.futures.ThreadPoolExecutor(threads) as executor:
            try:
                await scenario(Turns(executor, threads), work)
            finally:
                work.go.set()

    asyncio.run(main())
    return work.begun


def begin(turns, work, *names):
    return [asyncio.create_task(turns.run(weight, work, name)) for name, weight in names]


def test_the_lightest_is_next_and_equals_in_order():
    async def scenario(turns, work):
        tasks = begin(turns, work, ("a", 9), ("b", 5), ("c", 1), ("d", 5))
        await asyncio.sleep(0.02)
        work.go.set()
        assert await asyncio.gather(*tasks) == ["a", "b", "c", "d"]

    assert run(scenario) == ["a", "c", "b", "d"]


def test_who_gives_up_is_not_begun_and_the_others_go_on():
    async def scenario(turns, work):
        tasks = begin(turns, work, ("a", 1), ("b", 2), ("c", 3))
        await asyncio.sleep(0.02)
        tasks[1].cancel()
        tasks[0].cancel()  # the thread is still working on it
        await asyncio.sleep(0.02)
        assert work.begun == ["a"]
        work.go.set()
        assert await tasks[2] == "c"
        assert await turns.run(1, work, "d") == "d"

    assert run(scenario) == ["a", "c", "d"]


def test_as_many_at_a_time_as_there_are_threads():
    async def scenario(turns, work):
        tasks = begin(turns, work, ("a", 1), ("b", 1), ("c", 1))
        await asyncio.sleep(0.02)
        assert sorted(work.begun) == ["a", "b"]
        work.go.set()
        await asyncio.gather(*tasks)

    run(scenario, threads=2)


def test_a_failure_is_handed_on_and_frees_the_thread():
    async def scenario(turns, _):
        with pytest.raises(ZeroDivisionError):
            await turns.run(1, lambda: 1 / 0)
        assert await turns.run(1, lambda: 7) == 7

    run(scenario)
