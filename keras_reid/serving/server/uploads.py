"""Limits the memory of requests that are still arriving."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from keras_reid.serving.server.serving_error import ServingError

_SOON = 1.0  # seconds; then a body of unknown size counts as the largest allowed


class Uploads:
    """Limits the total size of partly received bodies.

    Above the limit, the body with the largest product of bytes and seconds is rejected as UNAVAILABLE. So small and
    fast requests get through, even next to many clients that are slow on purpose.

    Args:
        most: largest total size in bytes.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held, self._under_way = most, 0, set()

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator[Upload]:
        """Yields an `Upload` that counts as arriving inside the block."""
        upload = Upload(self, asyncio.get_running_loop().time())
        self._under_way.add(upload)
        try:
            async with asyncio.timeout(None) as upload.scope:
                yield upload
        except TimeoutError:
            if not upload.is_dropped:
                raise
            raise ServingError(
                "UNAVAILABLE",
                f"requests that are still arriving hold {self._most} bytes, and this one is large and slow; send it "
                "faster, or try again later",
            ) from None
        finally:
            self._forget(upload)

    def _grow(self, upload, size):
        upload.size += size
        self._held += size
        now = asyncio.get_running_loop().time()
        while self._held > self._most and self._under_way:
            worst = max(self._under_way, key=lambda one: (one.size * (now - one.since), one.size))
            self._forget(worst)
            worst.is_dropped = True
            worst.scope.reschedule(now)

    def _forget(self, upload):
        if upload in self._under_way:
            self._under_way.discard(upload)
            self._held -= upload.size


class Upload:
    """A request that is arriving."""

    def __init__(self, uploads: Uploads, since: float) -> None:
        self._uploads, self.since = uploads, since
        self.size, self.is_dropped = 0, False
        self.scope: asyncio.Timeout | None = None

    def add(self, size: int) -> None:
        """Records that `size` more bytes have arrived."""
        if not self.is_dropped:
            self._uploads._grow(self, size)

    @contextlib.contextmanager
    def of_unknown_size(self, most: int) -> Iterator[None]:
        """For protocols without a known size: an upload that is not done soon counts as the largest allowed."""
        timer = asyncio.get_running_loop().call_later(_SOON, self.add, most)
        try:
            yield
        finally:
            timer.cancel()
