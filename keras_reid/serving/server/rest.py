"""TensorFlow Serving's REST interface."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf import json_format
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_reid.serving.server import json_inputs, json_pixels, messages
from keras_reid.serving.server.admission import Admission, within
from keras_reid.serving.server.http_bodies import read_body
from keras_reid.serving.server.json_outputs import write_outputs
from keras_reid.serving.server.serving_error import ServingError

if TYPE_CHECKING:
    from keras_reid.serving.server.metrics import Metrics
    from keras_reid.serving.server.options import Limits
    from keras_reid.serving.server.repository import Repository
    from keras_reid.serving.server.uploads import Uploads

_LOG = logging.getLogger(__name__)
_MANY = 500_000  # values in JSON that take more than a tenth of a second
_CORS = Middleware(
    CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], max_age=600
)
_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d{1,18})|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>[a-z]+)|/(?P<metadata>metadata))?"
)


class Rest:
    """The ASGI application `app`.

    Args:
        repository, admission, uploads, metrics: the server's objects.
        limits: `Limits`.
        ready: function without arguments that says whether the server can take traffic.
        cors: whether pages of any origin may send requests.
    """

    def __init__(
        self,
        repository: Repository,
        admission: Admission,
        uploads: Uploads,
        metrics: Metrics,
        limits: Limits,
        ready: Callable[[], bool],
        cors: bool = False,
    ) -> None:
        self._repository, self._admission, self._metrics = repository, admission, metrics
        self._uploads, self._limits, self._ready = uploads, limits, ready
        self._large = asyncio.Lock()
        self.app = Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/readyz", self._readiness),
                Route("/metrics", self._page),
                Route("/monitoring/prometheus/metrics", self._page),  # where TensorFlow Serving has it
                Route(
                    "/v1/{path:path}", self._models, methods=["GET", "POST", *(["OPTIONS"] if cors else [])]
                ),
            ],
            exception_handlers={HTTPException: _not_found},
            middleware=[_CORS] if cors else [],
        )

    async def _health(self, _):
        return JSONResponse({"status": "ok"})

    async def _readiness(self, _):
        ready = self._ready()
        return JSONResponse({"ready": ready, "models": self._repository.served()}, 200 if ready else 503)

    async def _page(self, _):
        self._metrics.queue_rows.set(self._repository.waiting_rows())
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _models(self, http):
        if http.method == "OPTIONS":  # the middleware already answered browsers; others want the methods
            return Response(headers={"Allow": "GET, POST, OPTIONS"})
        try:
            match = _PATH.fullmatch(http.url.path)
            if match is None:
                raise ServingError(
                    "NOT_FOUND",
                    f"no such path: {http.url.path[:200]}. It must be /v1/models/NAME[/versions/V|/labels/L]"
                    "[:predict|/metadata]",
                )
            found = match.groupdict()
            action = "metadata" if found["metadata"] else found["verb"] or "status"
            if action in ("classify", "regress"):
                raise ServingError("UNIMPLEMENTED", f"{action} is not implemented here; use predict")
            answer = (
                getattr(self, f"_{action}", None) if action in ("predict", "metadata", "status") else None
            )
            if answer is None:
                raise ServingError("NOT_FOUND", f"no such method: {action[:100]}; use predict")
            wanted = "POST" if action == "predict" else "GET"
            if http.method not in (wanted, "HEAD" if wanted == "GET" else wanted):
                raise ServingError(
                    "INVALID_ARGUMENT", f"{action} needs {wanted}. Received: {http.method}", 405
                )
            with self._admission.count("rest", action) as request:
                async with within(self._limits.timeout_seconds):
                    version = int(found["version"]) if found["version"] else None
                    return Response(
                        await answer(http, request, (found["name"], version, found["label"])),
                        media_type="application/json",
                    )
        except ServingError as error:
            return _refusal(error)
        except ClientDisconnect:
            return Response(status_code=499)  # the client is gone
        except Exception:
            _LOG.exception("%s %s failed", http.method, http.url.path)
            return _refusal(ServingError("INTERNAL", "the server failed; see its log"))

    async def _predict(self, http, request, model):
        body = await read_body(http, self._limits.max_body, self._uploads)
        request.enter(len(body))
        with self._repository.use(request, *model) as version:
            route, inputs, by_rows = await self._read(body, version)
            del body
            return write_outputs(await version.predict(request, route, inputs), by_rows)

    async def _read(self, body, version):
        """Reads the signature and the arrays of a body.

        This blocks the event loop. So large bodies are read one at a time, each followed by a pause as long as it took.
        """
        json_inputs.check_values(body, self._limits.max_json_values)
        is_large, loop = json_inputs.has_more_values(body, _MANY), asyncio.get_running_loop()
        if is_large:
            await self._large.acquire()
        start = loop.time()
        try:
            if found := json_pixels.read(body, version.model, self._limits):
                return found
            payload = json_inputs.parse(body, self._limits.max_nesting)
            route = version.model.route(json_inputs.signature_name(payload))
            if is_large:
                await asyncio.sleep(0)
            inputs, by_rows = json_inputs.read_inputs(payload, route.signature.inputs, self._limits.max_rows)
            return route, inputs, by_rows
        finally:
            if is_large:
                loop.call_later(loop.time() - start, self._large.release)

    async def _metadata(self, _, request, model):
        request.enter(0)
        with self._repository.use(request, *model) as version:
            return _to_json(messages.metadata(version, any_packed=False))

    async def _status(self, _, request, model):
        request.enter(0)
        answer = messages.status(self._repository.states(*model))
        request.model = model[0]
        return _to_json(answer)


def _to_json(message):
    if isinstance(message, dict):
        return json.dumps(message, indent=1).encode()
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    ).encode()


def _refusal(error):
    return JSONResponse({"error": error.message}, error.http_status)


async def _not_found(http, error):
    known = "/v1/models/NAME, /healthz, /readyz, /metrics"
    return JSONResponse(
        {"error": f"{error.detail}: {http.method} {http.url.path[:200]}. The known paths are {known}"},
        error.status_code,
        headers=error.headers,
    )
