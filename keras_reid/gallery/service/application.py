"""The ASGI application: what every request passes through, and the routes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from keras_reid.gallery.postgres.connection import StoreAway
from keras_reid.gallery.service import api, openapi
from keras_reid.gallery.service.access import COOKIE, SESSION, csrf_token
from keras_reid.gallery.service.callers import OWNER, known
from keras_reid.gallery.service.events import EventFeed
from keras_reid.gallery.service.fields import Fields
from keras_reid.gallery.service.reference import page as reference
from keras_reid.gallery.service.running import Service
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.service.webhooks import Webhooks

_LOG = logging.getLogger(__name__)
_SAFE = ("GET", "HEAD", "OPTIONS")
_PROBES = ("/healthz", "/readyz")  # tell nothing; whoever probes does not know our name
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def application(
    service: Service, feed: EventFeed, pages: Sequence[BaseRoute] = (), webhooks: Webhooks | None = None
) -> Starlette:
    """The application of a service.

    Args:
        service: the service; handlers find it as `request.app.state.service`, and who asks as `request.state.caller`
            (None: nobody that is known), the `csrf` for forms as `request.state.csrf`.
        feed: of the events.
        pages: routes of HTML.
        webhooks: to deliver events to, or None.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_):
        delivering = webhooks.running() if webhooks else contextlib.nullcontext()
        async with service.running(), feed.running(), delivering:
            yield

    app = Starlette(
        routes=[
            Route("/healthz", _health),
            Route("/readyz", _readiness),
            Route("/metrics", _metrics),
            Route("/openapi.json", _openapi),
            *reference.routes(),
            Route("/v1/session", _sign_in, methods=["POST"]),
            Route("/v1/session", _sign_out, methods=["DELETE"]),
            Route("/v1/events", feed.answer),
            *api.routes(),
            *pages,
        ],
        middleware=[Middleware(Gate, service=service)],
        exception_handlers={
            HTTPException: _unknown,
            UserError: _mistake,
            ClientDisconnect: _gone,
        },
        lifespan=lifespan,
    )
    app.state.service = service
    return app


class Gate:
    """Each request passes it: names, rates, who asks, headers of the answer, metrics.

    Args:
        app: the application behind it.
        service: the service.
    """

    def __init__(self, app: Any, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), None
        headers = Headers(scope=scope)
        peer = (scope.get("client") or ("",))[0]
        secure = self._service.addresses.is_secure(peer, scope["scheme"], headers)

        async def answered(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                ours = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    ours.setdefault(name, value)
                if secure:
                    ours.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        scope.setdefault("state", {})
        request = Request(scope, receive)
        try:
            try:
                await self._admit(request, headers, peer, secure)
                await self._app(scope, receive, answered)
            except UserError as error:
                await (await _mistake(request, error))(scope, receive, answered)
            except Exception:
                # The path is left out: it may hold what somebody has looked for.
                _LOG.exception("%s failed", request.method)
                if status is not None:  # half of the answer is sent
                    raise
                failure = JSONResponse({"error": "the service failed; see its log"}, 500)
                await failure(scope, receive, answered)
        finally:
            route = scope.get("endpoint_path") or "other"
            self._service.metrics.requests.labels(route, str(status or 500)).inc()
            self._service.metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _admit(self, request, headers, peer, secure):
        service, state = self._service, request.state
        state.caller, state.by_cookie, state.csrf, state.secure = None, False, "", secure
        state.client = client = service.addresses.client(peer, _joined(headers))
        if request.url.path in _PROBES:
            if request.url.path == "/readyz":  # it asks the database
                with self._counted("rate"):
                    service.rate.take(f"probe {client}")
            return
        with self._counted("name"):
            service.hosts.check(request.method, headers, len(headers.getlist("host")))
        with self._counted("rate"):
            if not service.access.with_tokens or "authorization" not in headers:
                service.rate.take(f"address {client}")
        if not service.access.with_tokens:
            state.caller = OWNER
            return
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        with self._counted("token"):
            state.caller = await service.blocking(lambda: service.access.caller(headers, cookie, client))
        if state.caller is not None:
            state.by_cookie = "authorization" not in headers
            if state.by_cookie:
                state.csrf = csrf_token(cookie)
                if request.method not in _SAFE and not service.hosts.is_own(headers):
                    raise ServiceError(403, "requests from pages of other sites are refused")
            else:
                with self._counted("rate"):
                    service.rate.take(f"token {state.caller.name}")

    @contextlib.contextmanager
    def _counted(self, reason):
        try:
            yield
        except ServiceError:
            self._service.metrics.refused.labels(reason).inc()
            raise


def refusal(error: ServiceError) -> JSONResponse:
    """The answer to a request that is refused."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error.message}, error.status, headers)


def set_session(request: Request, response: Response, secret: str) -> None:
    """Gives the browser the cookie of a session."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION.total_seconds()),
        path="/",
        secure=request.state.secure,
        httponly=True,
        samesite="strict",
    )


async def _sign_in(request):
    service: Service = request.app.state.service
    if not service.hosts.is_own(request.headers):
        raise ServiceError(
            403, "a session begins on a page of this service; programs send Authorization: Bearer TOKEN"
        )
    fields = Fields((await service.receive(request)).fields)
    token = fields.text("token")
    fields.done()
    secret = await service.blocking(lambda: service.access.sign_in(token, request.state.client))
    response = JSONResponse({"csrf": csrf_token(secret)})
    set_session(request, response, secret)
    return response


async def _sign_out(request):
    service: Service = request.app.state.service
    await service.receive(request)
    cookie = request.cookies.get(COOKIE, "")
    await service.blocking(lambda: service.access.sign_out(cookie))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", secure=request.state.secure, httponly=True, samesite="strict")
    return response


async def _health(_):
    return JSONResponse({"status": "ok"})


async def _readiness(request):
    service: Service = request.app.state.service
    store = service.gallery.store
    try:
        await service.blocking(lambda: store.database.run(lambda one: one.execute("SELECT 1").fetchone()))
    except UserError:
        return JSONResponse({"ready": False}, 503)
    return JSONResponse({"ready": True})


async def _metrics(request):
    service: Service = request.app.state.service
    known(request.state.caller).require("admin")
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _openapi(request):
    known(request.state.caller)
    return JSONResponse(openapi.document())


def _joined(headers):
    """Headers with those of the same name joined, as a list of proxies may be."""
    return {name: ",".join(headers.getlist(name)) for name in headers}


async def _unknown(request, error):
    return JSONResponse({"error": f"{error.detail}: see /openapi.json"}, error.status_code, error.headers)


async def _mistake(_, error):
    if isinstance(error, ServiceError):
        return refusal(error)
    if isinstance(error, StoreAway):
        _LOG.error("%s", error)
        return refusal(ServiceError(503, "the database does not answer at the moment: try again later", 5))
    return refusal(ServiceError(400, str(error)))


async def _gone(*_):
    return Response(status_code=499)
