import asyncio
import concurrent.futures
import threading
import time

import numpy as np
import pytest

from keras_reid.serving.server.batcher import Batcher
from keras_reid.serving.server.batching_config import BatchingParameters
from keras_reid.serving.server.serving_error import ServingError, invalid


class Model:
    """Doubles its rows; can be paused, and rejects rows with 13."""

    def __init__(self):
        self.batches, self.go = [], threading.Event()
        self.go.set()

    def __call__(self, inputs):
        self.go.wait(10)
        self.batches.append(inputs["x"].tolist())
        if 13 in inputs["x"]:
            raise invalid("unlucky")
        return {"y": inputs["x"] * 2}


def run(scenario, coming=False, **parameters):
    """Runs `scenario(batcher, model, settings)` on a separate event loop; returns the model."""
    model, settings = Model(), {"coming": coming, "observed": []}

    async def main():
        settled = BatchingParameters(**parameters)
        with concurrent.futures.ThreadPoolExecutor(settled.num_batch_threads) as executor:
            try:
                batcher = Batcher(
                    model,
                    settled,
                    executor,
                    lambda: settings["coming"],
                    settings["observed"].append,
                )
                await scenario(batcher, model, settings)
                assert batcher.waiting_rows == 0
            finally:
                model.go.set()

    asyncio.run(main())
    return model


def rows(*values):
    return {"x": np.array(values, np.int64)}


async def ask(batcher, *values):
    return (await batcher.submit(rows(*values), len(values)))["y"].tolist()


async def held_back(batcher, model, *requests):
    """Submits requests while a first one, with row 1, keeps the thread busy; then releases all."""
    model.go.clear()
    first = asyncio.create_task(ask(batcher, 1))
    await asyncio.sleep(0.05)
    others = [asyncio.create_task(ask(batcher, *request)) for request in requests]
    await asyncio.sleep(0.05)
    model.go.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def test_what_arrives_while_a_batch_runs_is_merged_and_padded():
    async def scenario(batcher, model, settings):
        answers = await held_back(batcher, model, [2], [3, 4], [])
        assert answers == [[2], [4], [6, 8], []]
        assert settings["observed"] == [1, 3]

    assert run(scenario, max_batch_size=8).batches == [[1], [2, 3, 4, 0]]


def test_allowed_batch_sizes():
    async def scenario(batcher, model, _):
        assert await held_back(batcher, model, [2], [3]) == [[2], [4], [6]]

    assert run(scenario, max_batch_size=5, allowed_batch_sizes=(1, 5)).batches == [[1], [2, 3, 0, 0, 0]]


def test_a_batch_never_has_more_than_its_rows():
    async def scenario(batcher, model, _):
        assert await held_back(batcher, model, [2, 3], [4, 5], [6]) == [[2], [4, 6], [8, 10], [12]]

    assert run(scenario, max_batch_size=3).batches == [[1], [2, 3], [4, 5, 6]]


def test_large_requests_are_split_or_refused():
    async def scenario(batcher, *_):
        assert await ask(batcher, 1, 2, 3, 4, 5) == [2, 4, 6, 8, 10]

    assert run(scenario, max_batch_size=2).batches == [[1, 2], [3, 4], [5]]

    async def refused(batcher, *_):
        with pytest.raises(ServingError, match="at most 2 rows"):
            await ask(batcher, 1, 2, 3)

    run(refused, max_batch_size=2, enable_large_batch_splitting=False)


def test_only_the_faulty_request_fails():
    async def scenario(batcher, model, _):
        first, good, bad = await held_back(batcher, model, [2], [3, 13])
        assert (first, good) == ([2], [4])
        assert bad.code == "INVALID_ARGUMENT"

    assert run(scenario, max_batch_size=8).batches == [[1], [2, 3, 13, 0], [2], [3, 13]]


def test_a_defect_is_an_answer_too(caplog):
    async def scenario(batcher, *_):
        with pytest.raises(ServingError) as raised:
            await batcher.submit({"z": np.zeros(1)}, 1)  # the model looks for x
        assert raised.value.code == "INTERNAL"
        assert await ask(batcher, 1) == [2]

    run(scenario)
    assert "KeyError" in caplog.text


def test_a_full_queue_refuses():
    async def scenario(batcher, model, _):
        answers = await held_back(batcher, model, [2, 3], [4, 5], [6])
        assert answers[:3] == [[2], [4, 6], [8, 10]]
        assert answers[3].code == "UNAVAILABLE"
        assert "4 of 4 rows" in answers[3].message

    run(scenario, max_batch_size=2, max_enqueued_batches=2)


def test_a_full_batch_does_not_wait_for_the_event_loop():
    async def scenario(batcher, model, settings):
        model.go.clear()
        tasks = [asyncio.create_task(ask(batcher, value)) for value in (1, 2, 3, 4)]
        await asyncio.sleep(0.05)
        assert (batcher.waiting_rows, settings["observed"]) == (3, [1, 2])
        model.go.set()
        end = time.monotonic() + 10
        while len(model.batches) < 2 and time.monotonic() < end:
            time.sleep(0.01)  # blocks the loop
        assert model.batches == [[1], [2, 3]]
        assert await asyncio.gather(*tasks) == [[2], [4], [6], [8]]

    assert run(scenario, max_batch_size=2).batches == [[1], [2, 3], [4]]


def test_threads_run_batches_at_the_same_time():
    async def scenario(batcher, model, _):
        model.go.clear()
        tasks = [asyncio.create_task(ask(batcher, value)) for value in (1, 2, 3)]
        await asyncio.sleep(0.05)
        assert batcher.waiting_rows == 1
        model.go.set()
        assert await asyncio.gather(*tasks) == [[2], [4], [6]]

    run(scenario, num_batch_threads=2)


def test_waits_for_others_only_while_someone_is_coming():
    async def alone(batcher, *_):
        async with asyncio.timeout(2):
            assert await ask(batcher, 1) == [2]

    run(alone, batch_timeout_micros=10_000_000)

    async def accompanied(batcher, model, settings):
        first = asyncio.create_task(ask(batcher, 1))
        await asyncio.sleep(0.05)
        assert model.batches == []
        settings["coming"] = False
        async with asyncio.timeout(2):
            assert await ask(batcher, 2) == [4]
        await first

    assert run(accompanied, coming=True, batch_timeout_micros=10_000_000).batches == [[1, 2]]

    async def in_vain(batcher, *_):
        async with asyncio.timeout(2):
            assert await ask(batcher, 1) == [2]

    run(in_vain, coming=True, batch_timeout_micros=20_000)

    async def full(batcher, *_):
        async with asyncio.timeout(2):
            assert await ask(batcher, 1, 2) == [2, 4]

    run(full, coming=True, batch_timeout_micros=10_000_000, max_batch_size=2)


def test_a_client_that_is_gone_costs_nothing():
    async def scenario(batcher, model, _):
        model.go.clear()
        tasks = [asyncio.create_task(ask(batcher, value)) for value in (1, 2, 3)]
        await asyncio.sleep(0.05)
        tasks[1].cancel()
        await asyncio.sleep(0)
        model.go.set()
        assert await asyncio.gather(*tasks[::2]) == [[2], [6]]

    assert run(scenario).batches == [[1], [3]]
