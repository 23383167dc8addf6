"""Server-sent events of the watch list. Processes on one store tell each other by PostgreSQL's notifications."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from keras_reid.gallery.postgres.watches import CHANNEL, last_event
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.access import COOKIE
from keras_reid.gallery.service.callers import known
from keras_reid.gallery.service.fields import Fields
from keras_reid.gallery.service.records import plain
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore

_LOG = logging.getLogger(__name__)
_LOOK = 5.0  # seconds; a notification that was missed is made up for
_BEAT = 15.0  # seconds between signs of life, and between looks whether the token is still valid
_MOST_STREAMS = 200


class EventFeed:
    """Wakes up whoever waits for events.

    Args:
        store: the store.
    """

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._wakers: set[asyncio.Event] = set()
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens to the database inside the block."""
        self._loop = asyncio.get_running_loop()
        listener = threading.Thread(target=self._listen, name="gallery-events", daemon=True)
        listener.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Ends all streams."""
        self._stopped.set()
        self._wake()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    @contextlib.contextmanager
    def waker(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be news."""
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            yield waker
        finally:
            self._wakers.discard(waker)

    async def answer(self, request: Request) -> JSONResponse | StreamingResponse:
        """`GET /v1/events`: a stream for `Accept: text/event-stream`, else JSON of what is there."""
        request.scope["endpoint_path"] = "/v1/events"
        service, caller = request.app.state.service, known(request.state.caller)
        caller.require("view")
        query = Fields.of_pairs(request.query_params.multi_items())
        count = query.whole("count", 100)
        asked = query.text("after", "")
        # A browser that connects again repeats the address, and says in the header where it was.
        after = _number(request.headers.get("last-event-id") or asked)
        query.done()
        if "text/event-stream" not in request.headers.get("accept", ""):
            found = await service.call(operations.events, caller, after or 0, count)
            return JSONResponse({"events": [plain(one) for one in found]})
        if len(self._wakers) >= _MOST_STREAMS:
            raise ServiceError(503, "too many streams of events are open: try again later", 30)
        if after is None:
            after = await service.blocking(lambda: self._store.database.run(last_event))
        return StreamingResponse(self._stream(request, after), media_type="text/event-stream")

    async def _stream(self, request, after):
        service = request.app.state.service
        headers, cookie = request.headers, request.cookies.get(COOKIE, "")
        clock = asyncio.get_running_loop().time
        service.metrics.streams.inc()
        try:
            with self.waker() as waker:
                yield ": connected\n\n"
                beat = clock() + _BEAT
                while not self.is_stopped:
                    waker.clear()
                    try:
                        caller = await service.blocking(
                            lambda: service.access.caller(headers, cookie, request.state.client)
                        )
                        found = caller and await service.call(operations.events, caller, after)
                    except UserError:  # revoked meanwhile, or the database is away: the browser tries again
                        return
                    if found is None:
                        return
                    for one in found:
                        after = one.id
                        yield f"id: {one.id}\nevent: seen\ndata: {json.dumps(plain(one))}\n\n"
                    if found:
                        continue
                    if clock() >= beat:
                        yield ": \n\n"
                        beat = clock() + _BEAT
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_BEAT):
                            await waker.wait()
        finally:
            service.metrics.streams.dec()

    def _listen(self):
        while not self.is_stopped:
            try:
                with self._store.database.apart() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self.is_stopped:
                        for _ in connection.notifies(timeout=_LOOK, stop_after=1):
                            pass
                        self._wake()
            except Exception as error:
                if self._stopped.wait(_LOOK):
                    return
                _LOG.warning("cannot listen to the database: %s", " ".join(str(error).split())[:300])

    def _wake(self):
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self):
        for waker in self._wakers:
            waker.set()


def _number(text):
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ServiceError(
            400, f"`after` and Last-Event-ID must be numbers of events. Received: {text[:40]!r}"
        )
    return int(text)
