"""The pages of a search: the place to put a picture, and what was found."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from keras_reid.gallery.service import operations
from keras_reid.gallery.service.page.address import SearchAddress, identity_key
from keras_reid.gallery.service.page.handling import do, form, service
from keras_reid.gallery.service.page.rendering import respond
from keras_reid.gallery.service.page.sent import Sent, number, vector_text
from keras_reid.gallery.service.page.wording import headline
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request

    from keras_reid.gallery.service.records import Candidate


async def search(request: Request) -> Response:
    """GET: the place to put a picture, or the search for a sighting (`like`). POST: the search for a picture, or for
    the embedding of one that was searched for before."""
    address = SearchAddress.read(request.query_params)
    if request.method != "POST" and address.like is None:
        state, most = await do(request, operations.state), service(request).gallery.max_bytes
        return respond(
            request, "search", address=address, cameras=state.cameras, state=state, most_bytes=most
        )
    chosen: tuple[int, ...] = ()
    if address.identity:
        chosen = ((await do(request, operations.identity, identity_key(address.identity))).id,)
    filters, query = address.filters(request.state.zone, chosen), None
    if request.method != "POST":
        query = await do(request, operations.sighting, address.like)
        found = await do(request, operations.search_sighting, address.like, filters)
    elif (body := await service(request).receive(request)).image is not None:
        found = await do(request, operations.search_image, body.image, filters)
    else:
        found = await do(request, operations.search_vector, Sent(body.fields).vector(), filters)
    groups: dict[bool, list[Candidate]] = {}  # whether they are different, and folded
    for one in found.candidates:
        groups.setdefault(one.best.verdict == "different", []).append(one)
    return respond(
        request,
        "results",
        address=address,
        cameras=await do(request, operations.cameras),
        query=query,
        vector="" if query else vector_text(found.vector),
        headline=headline(found, address.filtered),
        candidates=found.candidates,
        groups=list(groups.items()),
        chips=address.chips(request.state.zone, datetime.datetime.now(datetime.UTC)),
        no_verdicts=found.verdicts,
        reasons=list(dict.fromkeys(one.reason for one in found.hits if one.reason)),
    )


async def answer(request: Request) -> Response:
    """Keeps an answer to "is this the same one?"."""
    sent = await form(request)
    other, distance = sent.text("other"), sent.text("distance")
    try:
        between = float(distance) if distance else None
    except ValueError:
        raise ServiceError(400, "`distance` must be a number") from None
    same = {"yes": True, "no": False}.get(sent.text("same"))
    if same is None:
        raise ServiceError(400, "`same` must be yes or no")
    await do(
        request,
        operations.answer,
        sent.number("sighting"),
        same,
        number(other, "other") if other else None,
        between,
    )
    return JSONResponse({"said": "Kept: the same one" if same else "Kept: another one"})
