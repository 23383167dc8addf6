"""The REST API: each endpoint with what it takes, what it gives, and who may use it. `openapi` describes this table."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_reid.gallery.postgres.named_references import NamedReference
from keras_reid.gallery.protocol import Filters
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.callers import Role, known
from keras_reid.gallery.service.fields import Fields
from keras_reid.gallery.service.forms import Body
from keras_reid.gallery.service.records import (
    Change,
    Enrolment,
    Hit,
    IdentitySummary,
    IdentityView,
    LabelledPair,
    ServiceState,
    Watch,
    WatchEvent,
    plain,
)
from keras_reid.gallery.service.running import Service
from keras_reid.gallery.service.service_error import ServiceError

_LONGEST_VECTOR = 16_000
PICTURE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A field of an address or of a body.

    Args:
        name: its name.
        about: what it is.
        schema: its JSON schema.
        required: whether it must be there.
    """

    name: str
    about: str
    schema: dict[str, Any]
    required: bool = False


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """What a path does.

    Args:
        method: of HTTP.
        path: with fields in braces.
        summary: what it does.
        role: that it needs; None: it needs no token.
        handler: gets the `Service`, the request, its body, and the fields of its address, which it asks for before it
            does anything. None for what `application` answers.
        query: fields of the address.
        body: fields of the body.
        image: whether the body may be, or hold, an image.
        answer: what comes back, as `schemas.schema_of` takes it; a type of media for what is not JSON; None: nothing.
    """

    method: str
    path: str
    summary: str
    role: Role | None
    handler: Callable[[Service, Request, Body, Fields], Awaitable[Any]] | None
    query: tuple[Parameter, ...] = ()
    body: tuple[Parameter, ...] = ()
    image: bool = False
    answer: Any = None


def routes() -> list[Route]:
    """The routes of all endpoints."""
    return [Route(one.path, _answering(one), methods=[one.method]) for one in ENDPOINTS]


def filters_of(query: Fields) -> Filters:
    """The filters of an address: `camera`, `after`, `before`, `identity`, `quality`."""
    return Filters(
        query.texts("camera"),
        query.time("after", None),
        query.time("before", None),
        tuple(query.wholes("identity")) if query.has("identity") else (),
        query.number("quality", None),
    )


def _answering(endpoint):
    async def answer(request):
        service: Service = request.app.state.service
        request.scope["endpoint_path"] = endpoint.path
        known(request.state.caller)
        query = Fields.of_pairs(request.query_params.multi_items())
        if not endpoint.query:
            query.done()
        body = Body() if endpoint.method == "GET" else await service.receive(request)
        if body.image is not None and not endpoint.image:
            raise ServiceError(415, "this takes no image")
        value = await endpoint.handler(service, request, body, query)
        return value if isinstance(value, Response) else JSONResponse(value)

    return answer


async def _search(service, request, body, query):
    caller, fields = request.state.caller, Fields(body.fields)
    filters, top = filters_of(query), query.whole("top", 24)
    query.done()
    if body.image is not None:
        fields.done()
        found = await service.call(operations.search_image, caller, body.image, filters, top)
    elif fields.has("sighting"):
        sighting = fields.whole("sighting")
        fields.done()
        found = await service.call(operations.search_sighting, caller, sighting, filters, top)
    elif fields.has("vector"):
        vector = fields.numbers("vector", _LONGEST_VECTOR)
        fields.done()
        found = await service.call(operations.search_vector, caller, vector, filters, top)
    else:
        raise ServiceError(400, "a search needs an image, or `vector`, or `sighting`. Received: none of them")
    return {
        **plain(found),
        "candidates": [
            {"identity": one.identity, "name": one.name, "hits": [hit.sighting for hit in one.hits]}
            for one in found.candidates
        ],
    }


async def _enrol(service, request, body, _):
    if body.image is None:
        raise ServiceError(400, "enrolling needs an image, as a file of a form (multipart/form-data)")
    fields = Fields(body.fields)
    number, name = fields.whole("identity", None), fields.text("name", None)
    if number is not None and name is not None:
        raise ServiceError(400, "an image is enrolled for `identity` or for `name`. Received: both")
    values = {
        "identity": number if name is None else name,
        "camera": fields.text("camera", None),
        "time": fields.time("time", None),
        "quality": fields.number("quality", None),
        "note": fields.text("note", None),
        "source": body.filename,
    }
    fields.done()
    return plain(await service.call(operations.enrol, request.state.caller, body.image, **values))


async def _identities(service, request, _, query):
    words, start, count = query.text("words", ""), query.number("start", 0.0), query.whole("count", 60)
    query.done()
    if start != int(start) or not 0 <= start < 2**53:
        raise ServiceError(400, f"`start` must be a whole number from 0. Received: {start}")
    total, found = await service.call(operations.identities, request.state.caller, words, int(start), count)
    return {"total": total, "identities": [plain(one) for one in found]}


async def _identity(service, request, *_):
    return plain(await service.call(operations.identity, request.state.caller, _number(request, "identity")))


async def _rename(service, request, body, _):
    fields, number = Fields(body.fields), _number(request, "identity")
    if "name" not in body.fields:
        raise ServiceError(400, "`name` is missing; null takes the name away")
    name = fields.text("name", None)
    fields.done()
    return plain(await service.call(operations.rename, request.state.caller, number, name))


async def _merge(service, request, body, _):
    fields = Fields(body.fields)
    into, others = fields.whole("into"), fields.wholes("others")
    fields.done()
    return plain(await service.call(operations.merge, request.state.caller, into, others))


async def _split(service, request, body, _):
    fields = Fields(body.fields)
    sightings, name = fields.wholes("sightings"), fields.text("name", None)
    fields.done()
    return plain(await service.call(operations.split, request.state.caller, sightings, name))


async def _forget(service, request, body, _):
    fields = Fields(body.fields)
    numbers, confirmed = fields.wholes("identities"), fields.truth("confirm", False)
    fields.done()
    if not confirmed:
        raise ServiceError(400, "nothing was erased. It cannot be undone: send `confirm`: true to do it")
    return await service.call_slowly(operations.forget, request.state.caller, numbers)


async def _changes(service, request, _, query):
    count = query.whole("count", 50)
    query.done()
    found = await service.call(operations.changes, request.state.caller, count)
    return {"changes": [plain(one) for one in found]}


async def _undo(service, request, body, _):
    Fields(body.fields).done()
    return plain(await service.call(operations.undo, request.state.caller, _number(request, "change")))


async def _answer(service, request, body, _):
    fields = Fields(body.fields)
    values = {
        "sighting": fields.whole("sighting"),
        "same": fields.truth("same"),
        "other": fields.whole("other", None),
        "distance": fields.number("distance", None),
    }
    fields.done()
    return plain(await service.call(operations.answer, request.state.caller, **values))


async def _answers(service, request, *_):
    found = await service.call(operations.answers, request.state.caller)
    return {"answers": [plain(one) for one in found]}


async def _watch(service, request, body, _):
    fields = Fields(body.fields)
    distance = fields.number("distance", None)
    fields.done()
    number = _number(request, "identity")
    return plain(await service.call(operations.watch, request.state.caller, number, distance))


async def _unwatch(service, request, body, _):
    Fields(body.fields).done()
    await service.call(operations.unwatch, request.state.caller, _number(request, "identity"))
    return Response(status_code=204)


async def _watches(service, request, *_):
    found = await service.call(operations.watches, request.state.caller)
    return {"watches": [plain(one) for one in found]}


async def _image(service, request, *_):
    content = await service.call(operations.image, request.state.caller, request.path_params["hash"])
    return Response(content, media_type="image/jpeg", headers=PICTURE_HEADERS)


async def _check(service, request, *_):
    count, found = await service.call_slowly(operations.check, request.state.caller)
    return {"pictures": count, "found": [plain(one) for one in found]}


async def _state(service, request, *_):
    return plain(await service.call(operations.state, request.state.caller))


def _number(request, name):
    return Fields({name: request.path_params[name]}).whole(name)


_WHOLE = {"type": "integer", "minimum": 1}
_WHOLES = {"type": "array", "items": _WHOLE, "minItems": 1, "maxItems": 1000}
_TEXT = {"type": "string", "maxLength": 200}
_TIME = {"type": "string", "format": "date-time"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_DISTANCE = {"type": "number", "minimum": 0, "maximum": 2}
_COUNT = Parameter("count", "most to give", {"type": "integer", "minimum": 1, "maximum": 200})
_FILTERS = (
    Parameter("camera", "only sightings of these cameras", {"type": "array", "items": _TEXT}),
    Parameter("after", "only sightings from this time on", _TIME),
    Parameter("before", "only sightings before this time", _TIME),
    Parameter("identity", "only these identities", {"type": "array", "items": _WHOLE}),
    Parameter("quality", "only sightings of at least this quality", _SHARE),
    Parameter("top", "most sightings", {"type": "integer", "minimum": 1, "maximum": 200, "default": 24}),
)

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/search",
        "Find who an image, an embedding or a sighting shows",
        "view",
        _search,
        _FILTERS,
        (
            Parameter(
                "vector",
                "an embedding of unit length, of the store's model",
                {"type": "array", "items": {"type": "number"}},
            ),
            Parameter("sighting", "number of a sighting", _WHOLE),
        ),
        image=True,
        answer={
            "hits": [Hit],
            "verdicts": str | None,
            "candidates": [{"identity": int, "name": str | None, "hits": [int]}],
        },
    ),
    Endpoint(
        "POST",
        "/v1/sightings",
        "Enrol an image",
        "enrol",
        _enrol,
        (),
        (
            Parameter("identity", "number of the identity that it shows", _WHOLE),
            Parameter("name", "or its name; a new one is made; with neither, one without a name", _TEXT),
            Parameter("camera", "name of the camera", _TEXT),
            Parameter("time", "when it was taken, with a zone", _TIME),
            Parameter("quality", "of the image", _SHARE),
            Parameter("note", "any text", {"type": "string", "maxLength": 2000}),
        ),
        image=True,
        answer=Enrolment,
    ),
    Endpoint(
        "GET",
        "/v1/identities",
        "List the identities, by name",
        "view",
        _identities,
        (
            Parameter("words", "only those whose name holds these", _TEXT),
            Parameter("start", "how many to pass over", {"type": "integer", "minimum": 0}),
            _COUNT,
        ),
        answer={"total": int, "identities": [IdentitySummary]},
    ),
    Endpoint(
        "GET",
        "/v1/identities/{identity}",
        "An identity with its sightings",
        "view",
        _identity,
        answer=IdentityView,
    ),
    Endpoint(
        "PATCH",
        "/v1/identities/{identity}",
        "Name an identity",
        "enrol",
        _rename,
        (),
        (Parameter("name", "the new name, or null", {"type": ["string", "null"], "maxLength": 200}, True),),
        answer=Change,
    ),
    Endpoint(
        "POST",
        "/v1/merge",
        "Move all sightings of identities to one",
        "enrol",
        _merge,
        (),
        (
            Parameter("into", "the identity that stays", _WHOLE, True),
            Parameter("others", "those that go", _WHOLES, True),
        ),
        answer=Change,
    ),
    Endpoint(
        "POST",
        "/v1/split",
        "Move sightings of one identity to a new one",
        "enrol",
        _split,
        (),
        (
            Parameter("sightings", "some, not all, of one identity", _WHOLES, True),
            Parameter("name", "of the new identity", _TEXT),
        ),
        answer=Change,
    ),
    Endpoint(
        "POST",
        "/v1/forget",
        "Erase identities, with a signed receipt; it cannot be undone",
        "erase",
        _forget,
        (),
        (
            Parameter("identities", "their numbers", _WHOLES, True),
            Parameter("confirm", "must be true", {"const": True}, True),
        ),
        answer={},
    ),
    Endpoint(
        "GET", "/v1/changes", "The last changes", "view", _changes, (_COUNT,), answer={"changes": [Change]}
    ),
    Endpoint(
        "POST",
        "/v1/changes/{change}/undo",
        "Undo a rename, merge or split",
        "enrol",
        _undo,
        answer=Change,
    ),
    Endpoint(
        "POST",
        "/v1/answers",
        "Keep an answer to “is this the same one?”",
        "enrol",
        _answer,
        (),
        (
            Parameter("sighting", "the one that was found", _WHOLE, True),
            Parameter("same", "the answer", {"type": "boolean"}, True),
            Parameter("other", "the sighting it was compared with", _WHOLE),
            Parameter("distance", "or the distance to a picture that is not enrolled", _DISTANCE),
        ),
        answer=LabelledPair,
    ),
    Endpoint(
        "GET",
        "/v1/answers",
        "All answers, for the next calibration",
        "admin",
        _answers,
        answer={"answers": [LabelledPair]},
    ),
    Endpoint("GET", "/v1/watches", "The watch list", "view", _watches, answer={"watches": [Watch]}),
    Endpoint(
        "PUT",
        "/v1/watches/{identity}",
        "Put an identity on the watch list",
        "enrol",
        _watch,
        (),
        (Parameter("distance", "that raises an event; by default the calibration's threshold", _DISTANCE),),
        answer=Watch,
    ),
    Endpoint("DELETE", "/v1/watches/{identity}", "Take an identity off the watch list", "enrol", _unwatch),
    Endpoint(
        "GET", "/v1/images/{hash}", "A picture that the store keeps", "view", _image, answer="image/jpeg"
    ),
    Endpoint(
        "GET",
        "/v1/check",
        "Name the pictures that spoil the gallery",
        "enrol",
        _check,
        answer={"pictures": int, "found": [NamedReference]},
    ),
    Endpoint("GET", "/v1/state", "The state of the store and the model", "view", _state, answer=ServiceState),
)

# What `application` answers.
OTHERS = (
    Endpoint(
        "GET",
        "/v1/events",
        "New sightings of those on the watch list: as JSON, or as a stream for Accept: text/event-stream",
        "view",
        None,
        (
            Parameter("after", "only events with a larger number", {"type": "integer", "minimum": 0}),
            _COUNT,
        ),
        answer={"events": [WatchEvent]},
    ),
    Endpoint(
        "POST",
        "/v1/session",
        "Begin the session of a page: gives a cookie, and what its forms send as `csrf`",
        None,
        None,
        (),
        (Parameter("token", "a token", {"type": "string"}, True),),
        answer={"csrf": str},
    ),
    Endpoint("DELETE", "/v1/session", "End the session", None, None),
    Endpoint("GET", "/metrics", "Metrics for Prometheus", "admin", None, answer="text/plain"),
    Endpoint("GET", "/healthz", "Whether the process lives", None, None, answer={"status": str}),
    Endpoint("GET", "/readyz", "Whether the store answers", None, None, answer={"ready": bool}),
)
