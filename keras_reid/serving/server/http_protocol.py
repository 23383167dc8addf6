"""uvicorn's HTTP/1.1 with limits on the size of a request's head and on waiting."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST = 64 << 10  # bytes of request line and headers; the parser itself has no limit


class BoundedHttpProtocol(HttpToolsProtocol):
    """Rejects a request with an endless head; sends the head of an answer together with its body.

    A connection without a request is closed after `timeout_keep_alive` seconds. uvicorn does this only after an answer.
    This class also does it before the first request, while a head arrives in pieces, while a rejected body is still
    being sent, and when the client does not read the answer. A client that has sent its request may close its half of
    the connection.
    """

    _head: int | None = 0
    _half_closed = False
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Gathering(transport))  # type: ignore[arg-type]
        self._count_from_now()
        self._close_when_due()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps the connection open to answer a complete request."""
        self._half_closed = (
            self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        )
        return self._half_closed

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._count_from_now()
        if self._half_closed and self.cycle.response_complete:  # the last one
            self.transport.close()

    def pause_writing(self) -> None:
        """Called when the client reads the answer too slowly; starts a timer to drop the connection."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled:
            self._stalled.cancel()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():  # closing would wait until the client reads the rest
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def on_headers_complete(self) -> None:
        self._head = None  # the body follows
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            if not self._head:
                self._count_from_now()
            self._head += len(data)
            if self._head > _MOST + len(data):
                self.send_400_response("The request line and headers are too long.")
                return
        super().data_received(data)
        # A request in progress has its own time limit.
        if self.cycle is None or self.cycle.response_complete:
            self._close_when_due()

    def _count_from_now(self):
        self._due = self.loop.time() + self.timeout_keep_alive

    def _close_when_due(self):
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(self._due, self.timeout_keep_alive_handler)


class _Gathering:
    """A transport that joins all writes of one turn of the event loop.

    Sending takes a quarter of the server's own time for an image, and uvicorn would send twice.
    """

    def __init__(self, transport):
        self._transport, self._pieces = transport, []

    def __getattr__(self, name):
        return getattr(self._transport, name)

    def write(self, data):
        if not self._pieces:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pieces.append(data)

    def close(self):
        self._flush()
        self._transport.close()

    def _flush(self):
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
