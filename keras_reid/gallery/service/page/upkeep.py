"""The pages that keep a gallery in order: enrolment, its check, what was done, its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from keras_reid.gallery.service import operations
from keras_reid.gallery.service.page.address import SearchAddress, identity_key
from keras_reid.gallery.service.page.handling import do, done, form, key, service, to
from keras_reid.gallery.service.page.rendering import respond
from keras_reid.gallery.service.page.sent import Sent
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.gallery.shown_names import shown_identity

if TYPE_CHECKING:
    from starlette.requests import Request

_FINDINGS = 48  # of a check that are shown, the clearest first


async def enrol(request: Request) -> Response:
    """GET: the place to put pictures. POST: enrols one, with its labels."""
    if request.method != "POST":
        request.state.caller.require("enrol")
        cameras, gallery = await do(request, operations.cameras), service(request).gallery
        return respond(request, "enrol", cameras=cameras, keep=gallery.keep, most_bytes=gallery.max_bytes)
    body = await service(request).receive(request)
    labels = Sent(body.fields)
    times = SearchAddress(after=labels.text("time")).filters(request.state.zone)
    if body.image is None:
        raise ServiceError(400, "enrolling needs a picture")
    enrolled = await do(
        request,
        operations.enrol,
        body.image,
        identity_key(labels.text("identity")),
        labels.text("camera") or None,
        times.after,
        note=labels.text("note") or None,
        source=body.filename,
    )
    name = shown_identity(enrolled.identity, enrolled.name)
    return JSONResponse({"identity": enrolled.identity, "name": name, "new": enrolled.new})


async def check(request: Request) -> Response:
    """The pictures that spoil the gallery, once somebody asks for them: that takes a while."""
    if "run" not in request.query_params:
        request.state.caller.require("enrol")
        return respond(request, "check", findings=None, found=0, count=0)
    count, found = await do(request, operations.check)
    return respond(request, "check", findings=found[:_FINDINGS], found=len(found), count=count)


async def activity(request: Request) -> Response:
    """Who was seen, what was changed, the state of store and model."""
    return respond(
        request,
        "activity",
        watches=await do(request, operations.watches),
        events=await do(request, operations.latest_events),
        changes=await do(request, operations.changes),
        state=await do(request, operations.state),
        change=await done(request),
    )


async def undo(request: Request) -> Response:
    await form(request)
    change = await do(request, operations.undo, key(request))
    return to("/activity", done=change.id)
