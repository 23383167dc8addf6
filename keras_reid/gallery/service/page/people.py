"""The pages of identities: their list, each of them, naming, splitting, merging, forgetting."""

from __future__ import annotations

import base64
import datetime
import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from keras_reid.gallery.protocol import Filters
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.page.address import identity_key
from keras_reid.gallery.service.page.handling import do, done, form, key, to
from keras_reid.gallery.service.page.rendering import respond
from keras_reid.gallery.service.page.sent import number
from keras_reid.gallery.service.page.time_line import time_line
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request

    from keras_reid.gallery.service.records import IdentityView, SeenSighting

_TILES = 60  # identities on a page of their list
_NAMES = 8  # that are offered while somebody types one


async def identities(request: Request) -> Response:
    """The list."""
    words = request.query_params.get("words", "").strip()
    start = number(request.query_params.get("start", "0"), "start")
    total, people = await do(request, operations.identities, words, start, _TILES)
    return respond(request, "identities", words=words, start=start, count=_TILES, total=total, people=people)


async def names(request: Request) -> Response:
    """Those that hold what somebody types."""
    words = request.query_params.get("words", "").strip()
    _, people = await do(request, operations.identities, words, 0, _NAMES)
    return JSONResponse([one.name for one in people if one.name is not None])


async def identity(request: Request) -> Response:
    """One of them, with the time line and the sightings by day, the newest first."""
    one: IdentityView = await do(request, operations.identity, key(request))
    zone = request.state.zone
    times = [sighting.time for sighting in one.sightings if sighting.time is not None]
    days: dict[datetime.date | None, list[SeenSighting]] = {}
    for sighting in reversed(one.sightings):
        days.setdefault(sighting.time and sighting.time.astimezone(zone).date(), []).append(sighting)
    return respond(
        request,
        "identity",
        one=one,
        cover=cover(one),
        cameras=len({sighting.camera for sighting in one.sightings} - {None}),
        first=min(times, default=None),
        last=max(times, default=None),
        line=time_line(one.sightings, zone, datetime.datetime.now(datetime.UTC)),
        days=sorted(days.items(), key=lambda item: item[0] is None),
        change=await done(request),
    )


async def rename(request: Request) -> Response:
    sent, one = await form(request), key(request)
    change = await do(request, operations.rename, one, sent.text("name") or None)
    return to(f"/identities/{one}", done=change.id)


async def split(request: Request) -> Response:
    sent = await form(request)
    change = await do(request, operations.split, sent.numbers("sighting"), sent.text("name") or None)
    return to(f"/identities/{change.identities[0]}", done=change.id)


async def watch(request: Request) -> Response:
    sent, one = await form(request), key(request)
    await do(request, operations.watch if sent.text("watch") == "yes" else operations.unwatch, one)
    return to(f"/identities/{one}")


async def merge(request: Request) -> Response:
    """GET: the identities side by side, with the distances between them. POST: merges them."""
    if request.method == "POST":
        sent = await form(request)
        into = sent.number("into")
        others = [one for one in sent.numbers("identity") if one != into]
        change = await do(request, operations.merge, into, others)
        return to(f"/identities/{into}", done=change.id)
    request.state.caller.require("enrol")
    wanted: list[int | str] = [number(one, "identity") for one in request.query_params.getlist("identity")]
    if named := identity_key(request.query_params.get("with", "")):
        wanted.append(named)
    views = [await do(request, operations.identity, one) for one in wanted[:_TILES]]
    people = list({one.id: one for one in views}.values())
    if len(people) < 2:
        raise ServiceError(400, "merging needs two identities: choose another one")
    stays = next((one for one in people if one.name is not None), people[0])
    nearest = {}
    for one in people:
        if one is not stays and one.sightings:
            last = one.sightings[-1].id
            found = await do(request, operations.search_sighting, last, Filters(identities=(stays.id,)), 1)
            if found.hits:
                nearest[one.id] = found.hits[0]
    return respond(request, "merge", people=people, into=stays.id, nearest=nearest)


async def forget(request: Request) -> Response:
    """GET: asks whether to. POST: erases, and shows the receipt."""
    one = key(request)
    request.state.caller.require("erase")
    if request.method != "POST":
        view = await do(request, operations.identity, one)
        return respond(request, "forget", one=view, cover=cover(view))
    if (await form(request)).text("sure") != "yes":
        raise ServiceError(400, "nothing was erased: confirm that you know that it cannot be undone")
    receipt = await do(request, operations.forget, [one])
    content = base64.b64encode(json.dumps(receipt, indent=2).encode() + b"\n").decode()
    finished = datetime.datetime.fromisoformat(receipt["finished"])
    return respond(
        request,
        "receipt",
        receipt=receipt,
        number=receipt["receipt"][:8],
        finished=finished,
        content=content,
    )


def cover(one: IdentityView) -> str | None:
    """The picture of the best sighting."""
    kept = [sighting for sighting in one.sightings if sighting.image]
    return max(kept, key=lambda sighting: (sighting.quality or 0, sighting.id)).image if kept else None
