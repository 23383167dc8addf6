"""Pictures of the store, and the files of the page itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from starlette.responses import Response

from keras_reid.gallery.service import operations
from keras_reid.gallery.service.api import PICTURE_HEADERS
from keras_reid.gallery.service.page.handling import do
from keras_reid.gallery.service.page.rendering import STATIC
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request

_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def picture(request: Request) -> Response:
    """A picture that the store keeps."""
    content = await do(request, operations.image, request.path_params["key"])
    return Response(content, media_type="image/jpeg", headers=PICTURE_HEADERS)


async def static(request: Request) -> Response:
    """A file of the page. Its address changes with its content, so browsers may keep it."""
    found = _files().get(request.path_params["name"])
    if found is None:
        raise ServiceError(404, "there is no such file")
    content, kind = found
    return Response(
        content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


@functools.cache
def _files():
    return {one.name: (one.read_bytes(), _KINDS[one.suffix]) for one in STATIC.iterdir()}
