"""Runs the application on uvicorn until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from pathlib import Path
from typing import Any

import uvicorn

from keras_reid.gallery.service.events import EventFeed
from keras_reid.serving.server.http_protocol import BoundedHttpProtocol
from keras_reid.utils.files import written_aside

_GRACE = 20  # seconds that requests may still take when the server stops


async def serve(
    app: Any,
    feed: EventFeed,
    listener: socket.socket,
    idle_seconds: float,
    ready_file: Path | None,
    about: dict[str, Any],
) -> None:
    """Serves an application.

    Args:
        app: ASGI.
        feed: whose streams end when the server stops.
        listener: a bound socket.
        idle_seconds: after which a connection without a request is closed.
        ready_file: to write the same line to, once the server answers; removed when it stops.
        about: what the line on standard output tells, as JSON.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = _Uvicorn(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `addresses` reads them
            timeout_keep_alive=idle_seconds,  # type: ignore[arg-type]
            timeout_graceful_shutdown=_GRACE,
        )
    )
    answering = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if answering.done():
            return await answering  # raises its error
        await asyncio.sleep(0.01)
    line = json.dumps(about)
    print(line, flush=True)
    if ready_file:
        with written_aside(ready_file) as aside:
            aside.write_text(line + "\n", encoding="utf-8")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, answering], return_when=asyncio.FIRST_COMPLETED)
    if ready_file:
        ready_file.unlink(missing_ok=True)
    feed.stop()
    server.should_exit = True
    await answering
    stopping.cancel()


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield  # we have our own handlers, which end the streams of events first
