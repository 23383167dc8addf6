"""The routes of the page. Each calls an operation in a thread, and makes HTML of what it gives."""

from __future__ import annotations

import base64
import datetime
import functools
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from keras_reid.gallery.protocol import Filters
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.page.address import SearchAddress, identity_key
from keras_reid.gallery.service.page.rendering import STATIC, respond
from keras_reid.gallery.service.page.requests import (
    VECTOR,
    number,
    read_form,
    read_upload,
    read_vector,
    vector_text,
)
from keras_reid.gallery.service.page.time_line import time_line
from keras_reid.gallery.service.page.wording import headline
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.gallery.shown_names import shown_identity
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from starlette.requests import Request

    from keras_reid.gallery.service.records import IdentityView, SearchAnswer

_TILES = 60  # identities on a page of their list
_FINDINGS = 48  # of a check that are shown, the clearest first
_TITLES = {
    400: "That did not work",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    409: "Something changed meanwhile",
    413: "Too large",
    415: "Not a picture",
    429: "Too many requests",
    503: "The gallery is busy",
}


def routes() -> list[BaseRoute]:
    """The routes. The application gives each request `state.caller` and `state.csrf`, and has the `gallery` and the
    `zone` in its own `state`."""
    return [
        Route("/", _page(search), methods=["GET", "POST"]),
        Route("/identities", _page(identities)),
        Route("/identities/{key}", _page(identity)),
        Route("/identities/{key}/rename", _page(rename), methods=["POST"]),
        Route("/identities/{key}/split", _page(split), methods=["POST"]),
        Route("/identities/{key}/watch", _page(watch), methods=["POST"]),
        Route("/identities/{key}/forget", _page(forget), methods=["GET", "POST"]),
        Route("/merge", _page(merge), methods=["GET", "POST"]),
        Route("/enrol", _page(enrol), methods=["GET", "POST"]),
        Route("/answers", _page(answer), methods=["POST"]),
        Route("/changes/{key}/undo", _page(undo), methods=["POST"]),
        Route("/check", _page(check)),
        Route("/activity", _page(activity)),
        Route("/sign-in", _page(sign_in)),
        Route("/pictures/{key}", _page(picture)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def error_page(request: Request, error: UserError) -> Response:
    """What went wrong, for people; for the page's script as JSON."""
    status = getattr(error, "status", 400)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": str(error)}, status)
    message = str(error)
    return respond(
        request,
        "problem",
        status,
        title=_TITLES.get(status, _TITLES[400]),
        message=message[:1].upper() + message[1:],
    )


def _page(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except UserError as error:
            return error_page(request, error)

    return answered


async def _do(request: Request, operation: Callable[..., Any], *values: Any, **named: Any) -> Any:
    return await run_in_threadpool(
        operation, request.app.state.gallery, request.state.caller, *values, **named
    )


# Searching


async def search(request: Request) -> Response:
    """GET: the place to put a picture, or the search for a sighting (`like`). POST: the search for a picture, or for
    the embedding of one that was searched for before."""
    address = SearchAddress.read(request.query_params)
    if request.method == "GET" and address.like is None:
        return await _start(request, address)
    chosen: tuple[int, ...] = ()
    if address.identity:
        key = identity_key(address.identity)
        chosen = ((await _do(request, operations.identity, key)).id,)
    filters = address.filters(request.app.state.zone, chosen)
    query = None
    if request.method == "GET":
        query = await _do(request, operations.sighting, address.like)
        answer = await _do(request, operations.search_sighting, address.like, filters)
    elif request.headers.get("content-type", "").startswith(VECTOR):
        answer = await _do(request, operations.search_vector, await read_vector(request), filters)
    else:
        content = await read_upload(request, request.app.state.gallery.max_bytes)
        answer = await _do(request, operations.search_image, content, filters)
    state = await _do(request, operations.state)
    return _results(request, address, answer, query, state.cameras)


async def _start(request, address):
    state = await _do(request, operations.state)
    return respond(
        request,
        "search",
        address=address,
        cameras=state.cameras,
        state=state,
        most_bytes=request.app.state.gallery.max_bytes,
    )


def _results(request, address, answer: SearchAnswer, query, cameras):
    groups: dict[str | None, list[Any]] = {}
    for one in answer.candidates:
        groups.setdefault(one.best.verdict, []).append(one)
    return respond(
        request,
        "results",
        address=address,
        cameras=cameras,
        query=query,
        vector="" if query else vector_text(answer.vector),
        headline=headline(answer, address.filtered),
        candidates=answer.candidates,
        groups=list(groups.items()),
        chips=address.chips(request.app.state.zone, datetime.datetime.now(datetime.UTC)),
        no_verdicts=answer.verdicts,
        reasons=list(dict.fromkeys(one.reason for one in answer.hits if one.reason)),
    )


async def answer(request: Request) -> Response:
    """Keeps an answer to "is this the same one?"."""
    form = await read_form(request)
    other, distance = form.text("other"), form.text("distance")
    try:
        between = float(distance) if distance else None
    except ValueError:
        raise ServiceError(400, "`distance` must be a number") from None
    same = {"yes": True, "no": False}.get(form.text("same"))
    if same is None:
        raise ServiceError(400, "`same` must be yes or no")
    await _do(
        request,
        operations.answer,
        form.number("sighting"),
        same,
        number(other, "other") if other else None,
        between,
    )
    return JSONResponse({"said": "Kept: the same one" if same else "Kept: somebody else"})


async def picture(request: Request) -> Response:
    """A picture that the store keeps."""
    content = await _do(request, operations.image, request.path_params["key"])
    return Response(content, media_type="image/jpeg")


# Identities


async def identities(request: Request) -> Response:
    words = request.query_params.get("words", "").strip()
    start = number(request.query_params.get("start", "0"), "start")
    total, people = await _do(request, operations.identities, words, start, _TILES)
    return respond(
        request,
        "identities",
        words=words,
        start=start,
        total=total,
        people=people,
        change=await _done(request),
    )


async def identity(request: Request) -> Response:
    one = await _do(request, operations.identity, _key(request))
    zone = request.app.state.zone
    timed = [sighting for sighting in one.sightings if sighting.time is not None]
    days: dict[Any, list[Any]] = {}
    for sighting in reversed(one.sightings):
        days.setdefault(sighting.time and sighting.time.astimezone(zone).date(), []).append(sighting)
    return respond(
        request,
        "identity",
        one=one,
        cover=_cover(one),
        cameras=len({sighting.camera for sighting in one.sightings} - {None}),
        first=timed[0].time if timed else None,
        last=timed[-1].time if timed else None,
        line=time_line(one.sightings, zone, datetime.datetime.now(datetime.UTC)),
        days=sorted(days.items(), key=lambda item: item[0] is None),
        change=await _done(request),
    )


async def rename(request: Request) -> Response:
    form, key = await read_form(request), _key(request)
    change = await _do(request, operations.rename, key, form.text("name") or None)
    return _to(f"/identities/{key}", done=change.id)


async def split(request: Request) -> Response:
    form = await read_form(request)
    change = await _do(request, operations.split, form.numbers("sighting"), form.text("name") or None)
    return _to(f"/identities/{change.identities[0]}", done=change.id)


async def watch(request: Request) -> Response:
    form, key = await read_form(request), _key(request)
    await _do(request, operations.watch if form.text("watch") == "yes" else operations.unwatch, key)
    return _to(f"/identities/{key}")


async def merge(request: Request) -> Response:
    """GET: the identities side by side, with the distance between them. POST: merges them."""
    if request.method == "POST":
        form = await read_form(request)
        into = form.number("into")
        others = [one for one in form.numbers("identity") if one != into]
        change = await _do(request, operations.merge, into, others)
        return _to(f"/identities/{into}", done=change.id)
    keys: list[Any] = [number(one, "identity") for one in request.query_params.getlist("identity")]
    if named := identity_key(request.query_params.get("with", "")):
        keys.append(named)
    people = list(
        {one.id: one for one in [await _do(request, operations.identity, key) for key in keys]}.values()
    )
    if len(people) < 2:
        raise ServiceError(400, "merging needs two identities. Choose another one")
    into = next((one for one in people if one.name is not None), people[0])
    nearest = {}
    for one in people[1:]:
        if one.sightings:
            found = await _do(
                request,
                operations.search_sighting,
                one.sightings[-1].id,
                Filters(identities=(people[0].id,)),
                1,
            )
            if found.hits:
                nearest[one.id] = found.hits[0]
    return respond(request, "merge", people=people, into=into.id, nearest=nearest)


async def forget(request: Request) -> Response:
    """GET: asks whether to. POST: erases, and shows the receipt."""
    key = _key(request)
    request.state.caller.require("erase")
    if request.method == "GET":
        one = await _do(request, operations.identity, key)
        return respond(request, "forget", one=one, cover=_cover(one))
    form = await read_form(request)
    if form.text("sure") != "yes":
        raise ServiceError(400, "nothing was erased: confirm that you know that it cannot be undone")
    receipt = await _do(request, operations.forget, [key])
    return respond(request, "receipt", receipt=receipt, **_receipt(receipt))


def _receipt(receipt):
    content = json.dumps(receipt, indent=2).encode() + b"\n"
    return {"number": receipt["receipt"][:8], "content": base64.b64encode(content).decode()}


def _cover(one: IdentityView) -> str | None:
    """The picture of the best sighting."""
    kept = [sighting for sighting in one.sightings if sighting.image]
    return max(kept, key=lambda sighting: (sighting.quality or 0, sighting.id)).image if kept else None


# Everything else


async def enrol(request: Request) -> Response:
    """GET: the place to put pictures. POST: enrols one, which is the body; its labels are in the address."""
    gallery = request.app.state.gallery
    if request.method == "GET":
        request.state.caller.require("enrol")
        state = await _do(request, operations.state)
        return respond(request, "enrol", cameras=state.cameras, keep=state.keep, most_bytes=gallery.max_bytes)
    query = request.query_params
    times = SearchAddress(after=query.get("time", "")).filters(request.app.state.zone)
    content = await read_upload(request, gallery.max_bytes)
    done = await _do(
        request,
        operations.enrol,
        content,
        identity_key(query.get("identity", "")),
        query.get("camera", "").strip() or None,
        times.after,
        note=query.get("note", "").strip() or None,
        source=query.get("source", ""),
    )
    name = shown_identity(done.identity, done.name)
    return JSONResponse({"identity": done.identity, "name": name, "new": done.new})


async def undo(request: Request) -> Response:
    await read_form(request)
    change = await _do(request, operations.undo, _key(request))
    return _to("/activity", done=change.id)


async def check(request: Request) -> Response:
    if "run" not in request.query_params:
        request.state.caller.require("enrol")
        return respond(request, "check", findings=None, count=0)
    count, found = await _do(request, operations.check)
    seen: dict[int, IdentityView] = {}
    for one in found[:_FINDINGS]:
        for key in (one.identity, one.other):
            if key not in seen:
                seen[key] = await _do(request, operations.identity, key)
    findings = [
        {
            "sighting": one.sighting,
            "identity": one.identity,
            "own": shown_identity(one.identity, one.name),
            "picture": next(
                (two.image for two in seen[one.identity].sightings if two.id == one.sighting), None
            ),
            "alone": len(seen[one.identity].sightings) == 1,
            "other": one.other,
            "theirs": shown_identity(one.other, one.other_name),
            "other_picture": _cover(seen[one.other]),
            "impostors": one.impostors,
            "similarity": one.similarity,
        }
        for one in found[:_FINDINGS]
    ]
    return respond(request, "check", findings=findings, found=len(found), count=count)


async def activity(request: Request) -> Response:
    events = await _do(request, operations.events)
    return respond(
        request,
        "activity",
        watches=await _do(request, operations.watches),
        events=events[::-1],
        changes=await _do(request, operations.changes),
        state=await _do(request, operations.state),
        change=await _done(request),
    )


async def sign_in(request: Request) -> Response:
    return respond(request, "sign_in", problem="")


async def _done(request):
    """The change that has just been done, for the notice with its undoing."""
    wanted = request.query_params.get("done")
    if wanted is None:
        return None
    return next((one for one in await _do(request, operations.changes) if str(one.id) == wanted), None)


def _key(request):
    return number(request.path_params["key"], "number")


def _to(path: str, **query: Any) -> Response:
    # 303: whatever was sent before, the next page is asked for by GET, and loading it again does nothing twice.
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
