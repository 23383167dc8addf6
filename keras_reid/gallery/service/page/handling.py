"""What the handlers of the page share: who asks, operations in threads, forms, errors for people."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, RedirectResponse, Response

from keras_reid.gallery.postgres.connection import StoreAway
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.page.rendering import respond
from keras_reid.gallery.service.page.sent import Sent, number
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from starlette.requests import Request

    from keras_reid.gallery.service.records import Change
    from keras_reid.gallery.service.running import Service

Handler = Callable[["Request"], Awaitable[Response]]
_SLOW = (operations.check, operations.forget)
_TITLES = {
    400: "That did not work",
    403: "Not allowed",
    404: "Not found",
    409: "Something changed meanwhile",
    413: "Too large",
    415: "Not a picture",
    429: "Too many requests",
    503: "The gallery is busy",
    504: "That took too long",
}


def page(handler: Handler, name: str, zone: ZoneInfo, public: bool = False) -> Handler:
    """A handler that sends strangers to the sign-in, and tells people what went wrong.

    Args:
        handler: of a request.
        name: of the route, for the metrics.
        zone: of the times on the page.
        public: whether it also answers strangers.
    """

    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        request.state.zone, request.scope["endpoint_path"] = zone, name
        if request.state.caller is None and not public:
            if request.method == "GET" and not _by_script(request):
                return to("/sign-in")
            return _refused(request, ServiceError(401, "sign in first: load the page again"))
        try:
            return await handler(request)
        except StoreAway:
            return _refused(request, ServiceError(503, "the database does not answer: try again later", 5))
        except UserError as error:
            return _refused(request, error)

    return answered


def service(request: Request) -> Service:
    """The service that a request is for."""
    return request.app.state.service


async def do(request: Request, operation: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Does an operation for whoever asks, in a thread."""
    call = service(request).call_slowly if operation in _SLOW else service(request).call
    return await call(operation, request.state.caller, *values, **named)


async def form(request: Request) -> Sent:
    """The fields of a form, which a page of this session has sent."""
    return Sent((await service(request).receive(request)).fields)


def key(request: Request) -> int:
    """The number in the path."""
    return number(request.path_params["key"], "number")


def to(path: str, **query: Any) -> Response:
    """Sends the browser to another page. It asks for that by GET, so that loading it again does nothing twice."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)


async def done(request: Request) -> Change | None:
    """The change that has just been done, which the address names, for the notice with its undoing."""
    wanted = request.query_params.get("done")
    if wanted is None:
        return None
    return next((one for one in await do(request, operations.changes) if str(one.id) == wanted), None)


def _refused(request, error):
    status, message = getattr(error, "status", 400), str(error)
    if _by_script(request):
        response: Response = JSONResponse({"error": message}, status)
    else:
        title = _TITLES.get(status, _TITLES[400])
        response = respond(request, "problem", status, title=title, message=message)
    if wait := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(wait)
    return response


def _by_script(request):
    return "application/json" in request.headers.get("accept", "")
