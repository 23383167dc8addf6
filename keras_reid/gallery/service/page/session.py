"""Signing in and out by a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from keras_reid.gallery.service.access import COOKIE
from keras_reid.gallery.service.application import set_session
from keras_reid.gallery.service.page.handling import form, service, to
from keras_reid.gallery.service.page.rendering import respond
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request


async def sign_in(request: Request) -> Response:
    """GET: asks for a token. POST: begins the session of one."""
    if not service(request).access.with_tokens:
        return to("/")
    if request.method != "POST":
        return respond(request, "sign_in", problem="")
    if not service(request).hosts.is_own(request.headers):
        raise ServiceError(403, "a session begins on a page of this service")
    token, access = (await form(request)).text("token"), service(request).access
    try:
        secret = await service(request).blocking(lambda: access.sign_in(token, request.state.client))
    except ServiceError as error:
        if error.status not in (401, 429):
            raise
        return respond(request, "sign_in", error.status, problem=error.message)
    response = to("/")
    set_session(request, response, secret)
    return response


async def sign_out(request: Request) -> Response:
    """Ends the session."""
    await form(request)
    cookie, access = request.cookies.get(COOKIE, ""), service(request).access
    await service(request).blocking(lambda: access.sign_out(cookie))
    response = to("/sign-in")
    response.delete_cookie(COOKIE, path="/", secure=request.state.secure, httponly=True, samesite="strict")
    return response
