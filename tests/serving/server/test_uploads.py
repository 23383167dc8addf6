import asyncio

import pytest

from keras_reid.serving.server.admission import Admission, within
from keras_reid.serving.server.metrics import Metrics
from keras_reid.serving.server.serving_error import ServingError
from keras_reid.serving.server.uploads import Uploads


def run(scenario):
    """Runs `scenario(uploads)`, where all uploads together may hold 100 bytes."""

    async def main():
        await scenario(Uploads(100))

    asyncio.run(main())


async def upload(uploads, *sizes, pause=0.0):
    """Sends pieces with a pause after each one, and then stops."""
    async with uploads.receiving() as one:
        for size in sizes:
            one.add(size)
            await asyncio.sleep(pause)
        await asyncio.sleep(60 if pause else 0)


async def code(task):
    with pytest.raises(ServingError) as raised:
        await task
    return raised.value.code


def test_the_largest_and_slowest_is_refused_where_there_is_no_room():
    async def scenario(uploads):
        slow = asyncio.create_task(upload(uploads, 60, pause=0.05))
        small = asyncio.create_task(upload(uploads, 1, pause=0.05))
        await asyncio.sleep(0.02)
        await upload(uploads, 30)
        await upload(uploads, 30)  # a complete body no longer counts
        assert not slow.done()
        await upload(uploads, 30, 30)
        assert await code(slow) == "UNAVAILABLE"
        await upload(uploads, 99)
        assert not small.done()
        small.cancel()

    run(scenario)


def test_one_that_is_too_large_alone_is_refused():
    async def scenario(uploads):
        assert await code(asyncio.create_task(upload(uploads, 101, pause=0.01))) == "UNAVAILABLE"
        await upload(uploads, 100)

    run(scenario)


def test_a_time_limit_outside_keeps_its_own_code():
    async def scenario(uploads):
        with pytest.raises(ServingError, match=r"longer than 0\.01 s"):
            async with within(0.01):
                await upload(uploads, 1, pause=0.001)

    run(scenario)


def test_who_is_not_soon_done_counts_as_the_largest(monkeypatch):
    monkeypatch.setattr("keras_reid.serving.server.uploads._SOON", 0.01)

    async def call(uploads, seconds):
        async with uploads.receiving() as one:
            with one.of_unknown_size(60):
                await asyncio.sleep(seconds)

    async def scenario(uploads):
        first, second = (asyncio.create_task(call(uploads, 60)) for _ in range(2))
        await asyncio.gather(*(call(uploads, 0) for _ in range(100)))
        assert await code(first) == "UNAVAILABLE"
        assert not second.done()
        second.cancel()

    run(scenario)


def test_places_are_for_what_has_arrived():
    admission = Admission(2, 3 << 20, Metrics())
    with admission.count("rest", "predict") as slow, admission.count("rest", "predict") as first:
        assert admission.active == admission.arriving == 0
        first.enter(2 << 20)
        assert (admission.active, admission.arriving) == (1, 1)
        first.arrived()
        assert (admission.active, admission.arriving) == (1, 0)
        with admission.count("rest", "predict") as large:
            with pytest.raises(
                ServingError, match="already hold 2097152 bytes, and may hold 3145728; try again later"
            ):
                large.enter(2 << 20)
            large.enter(1 << 20)  # small ones always fit
        slow.enter(10)
        with admission.count("rest", "predict") as more, pytest.raises(ServingError, match="already holds 2"):
            more.enter(10)
    assert (admission.active, admission.arriving) == (0, 0)
    with admission.count("rest", "predict") as request:
        request.enter(3 << 20)
