"""What all requests of a process share: the gallery, who may do what, limits, threads."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from keras_reid.gallery.service.access import COOKIE, Access, check_csrf
from keras_reid.gallery.service.addresses import Addresses
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.forms import Body, read_form
from keras_reid.gallery.service.hosts import Hosts
from keras_reid.gallery.service.limits import Limits
from keras_reid.gallery.service.metrics import Metrics
from keras_reid.gallery.service.operations import OpenGallery
from keras_reid.gallery.service.pixels import PixelRoom
from keras_reid.gallery.service.rates import Rate
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.serving.server.http_bodies import read_body
from keras_reid.serving.server.serving_error import ServingError
from keras_reid.serving.server.uploads import Uploads

T = TypeVar("T")
_FORM = 64 << 10  # bytes of a form besides its image
_SIGN_IN = 8 << 10  # bytes of a form from somebody who is not known yet
_SLOW = 2  # threads for what takes minutes: erasing, checking


class Service:
    """A gallery that is being served. `request.app.state.service` is one.

    Args:
        gallery: the gallery.
        access: who may use it.
        hosts: the names that it answers to.
        addresses: which proxies are trusted.
        limits: the limits.
    """

    def __init__(
        self, gallery: OpenGallery, access: Access, hosts: Hosts, addresses: Addresses, limits: Limits
    ) -> None:
        self.access, self.hosts, self.addresses, self.limits = access, hosts, addresses, limits
        self.metrics = Metrics()
        embed = gallery.embed

        def timed(contents):
            with self.metrics.embedding.time():
                return embed(contents)

        self.gallery = dataclasses.replace(
            gallery,
            embed=timed,
            max_bytes=int(limits.max_image_mebibytes * 2**20),
            max_megapixels=limits.max_megapixels,
            room=PixelRoom(1e6 * limits.max_decoding_megapixels),
        )
        self.rate = Rate(limits.requests_per_minute, limits.burst, "requests")
        self._uploads = Uploads(max(limits.max_pending_mebibytes << 20, self.gallery.max_bytes + _FORM))
        cores = os.cpu_count() or 1
        self._workers = ThreadPoolExecutor(max(4, 2 * cores), thread_name_prefix="gallery")
        self._slow = ThreadPoolExecutor(_SLOW, thread_name_prefix="gallery-slow")
        self._active = 0

    async def call(self, function: Callable[..., T], caller: Caller, *arguments: Any, **keywords: Any) -> T:
        """Does an operation in a thread: `function(gallery, caller, …)`.

        Only these take a place among the requests in progress: those whose bodies arrive slowly take none.

        Raises:
            ServiceError: as the operation; 504 if it takes too long, 503 if there is no place.
        """
        work = functools.partial(function, self.gallery, caller, *arguments, **keywords)
        with self._place():
            return await self.blocking(work)

    async def call_slowly(
        self, function: Callable[..., T], caller: Caller, *arguments: Any, **keywords: Any
    ) -> T:
        """As `call`, for what may take minutes; a few at a time, and the others wait."""
        work = functools.partial(function, self.gallery, caller, *arguments, **keywords)
        with self._place():
            return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    async def blocking(self, work: Callable[[], T]) -> T:
        """Does something that blocks in a thread."""
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._workers, work)
        except TimeoutError:
            raise ServiceError(504, f"the answer took longer than {self.limits.answer_seconds:g} s") from None

    async def receive(self, request: Request) -> Body:
        """The body of a request. Each handler of a method that changes something calls this first.

        Where the caller is known by a cookie, the form must carry the session's `csrf`, as a field or in the header
        `X-CSRF-Token`.

        Raises:
            ServiceError: 413 for a body above the limits, 408 for one that arrives too slowly, 503 for one that is
                large and slow while many arrive, 403 without the right `csrf`; see also `read_form`.
        """
        most = self.gallery.max_bytes + _FORM
        if request.state.caller is None:
            most = _SIGN_IN
        try:
            async with asyncio.timeout(self.limits.upload_seconds):
                content = await read_body(request, most, self._uploads)
        except TimeoutError:
            raise ServiceError(
                408, f"the request took longer than {self.limits.upload_seconds:g} s to arrive"
            ) from None
        except ServingError as error:
            if error.http_status == 413:
                raise ServiceError(
                    413, f"the body must have at most {most} bytes: send a smaller file"
                ) from None
            raise ServiceError(error.http_status, error.message) from None
        body = read_form(content, request.headers.get("content-type", ""))
        if request.state.by_cookie:
            sent = body.fields.pop("csrf", None) or request.headers.get("x-csrf-token", "")
            check_csrf(request.cookies.get(COOKIE, ""), sent if isinstance(sent, str) else "")
        else:
            body.fields.pop("csrf", None)
        return body

    @contextlib.contextmanager
    def _place(self):
        if self._active >= self.limits.max_concurrent_requests:
            self.metrics.refused.labels("busy").inc()
            raise ServiceError(503, "the service is busy: try again later", 1)
        self._active += 1
        self.metrics.waiting.set(self._active)
        try:
            yield
        finally:
            self._active -= 1
            self.metrics.waiting.set(self._active)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends the threads at the end of the block."""
        try:
            yield
        finally:
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._slow.shutdown(wait=False, cancel_futures=True)
