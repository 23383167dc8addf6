"""Requests of which a part is still to come, and what they hold meanwhile."""

import asyncio
import contextlib

from keras_reid.serving.server.errors import ServingError

_SOON = 1.0  # second, after which a body whose size nobody knows counts as the largest


class Uploads:
    """Bounds the bytes of bodies that have arrived in part.

    Where they would hold more, the one that has held most for longest is refused as UNAVAILABLE: bytes times seconds.
    So what arrives quickly, or is small, gets through beside any number of clients that are slow on purpose.

    Args:
        most: bytes.
    """

    def __init__(self, most):
        self._most, self._held, self._under_way = most, 0, set()

    @contextlib.asynccontextmanager
    async def receiving(self):
        """Yields an `Upload`; within the block it is under way."""
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
                f"the requests that are still arriving hold {self._most} bytes, and this one holds many of them for "
                "long; send it faster, or try again later",
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
    """One request that is arriving."""

    def __init__(self, uploads, since):
        self._uploads, self.since = uploads, since
        self.size, self.is_dropped, self.scope = 0, False, None

    def add(self, size):
        """So many more bytes are here."""
        if not self.is_dropped:
            self._uploads._grow(self, size)

    @contextlib.contextmanager
    def of_unknown_size(self, most):
        """For a protocol that says nothing before the end: whoever is not soon done counts as the largest."""
        timer = asyncio.get_running_loop().call_later(_SOON, self.add, most)
        try:
            yield
        finally:
            timer.cancel()
