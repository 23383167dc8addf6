"""Receives and unpacks bodies of HTTP requests, and limits their size in both forms."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

from keras_reid.serving.server.serving_error import ServingError, invalid

if TYPE_CHECKING:
    from keras_reid.serving.server.uploads import Uploads

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(http: Any, most: int, uploads: Uploads) -> bytes:
    """The body of a request, unless it is too large; the rest of a body that is too large is read and discarded.

    Args:
        http: Starlette's `Request`.
        most: largest number of bytes, both as sent and unpacked.
        uploads: `Uploads`.

    Raises:
        ServingError: the body is too large, or its packing is unknown, damaged or cut off.
    """
    packing = http.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip", ""):
        raise ServingError(
            "INVALID_ARGUMENT",
            f"Content-Encoding must be gzip, or left out. Received: {packing[:100]!r}",
            415,
        )
    body = await _received(http, most, uploads)
    if packing in ("gzip", "x-gzip"):
        return await asyncio.to_thread(unpacked, body, most)
    return body


async def _received(http, most, uploads):
    length = http.headers.get("content-length", "0")
    pieces, size = [], 0
    if not length.isdigit() or int(length[:18]) <= most:
        async with uploads.receiving() as upload:
            async for piece in http.stream():
                size += len(piece)
                if size > most:
                    break
                upload.add(len(piece))
                pieces.append(piece)
            else:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    raise _too_large(most, max(size, int(length[:18] or 0)))


def unpacked(body: bytes, most: int) -> bytes:
    """Unpacks gzip up to `most` bytes; raises instead of unpacking more."""
    pieces, size = [], 0
    while body:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            pieces.append(unpacker.decompress(body, most - size + 1))
        except zlib.error as error:
            raise invalid(f"Content-Encoding is gzip, but the body is not: {error}") from None
        size += len(pieces[-1])
        if size > most:
            raise _too_large(most, f"more than {most}, unpacked")
        if not unpacker.eof:
            raise invalid(
                "the body is incomplete: the end of the gzip data is missing. Was the upload cut off?"
            )
        body = unpacker.unused_data  # there may be several gzip members
    return b"".join(pieces)


def _too_large(most, received):
    return ServingError(
        "INVALID_ARGUMENT",
        f"the body may have at most {most} bytes. Received: {received}; "
        "send several requests, or use gRPC for pixels",
        413,
    )
