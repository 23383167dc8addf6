"""What the page's forms and uploads send."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import numpy as np

from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from starlette.requests import Request

_FORM = 64 << 10  # bytes: a thousand numbers of identities or sightings
_VECTOR = 128 << 10  # bytes: 16 000 numbers in base64
VECTOR = "text/plain"  # how an embedding comes: base64 of its float32 numbers, little-endian


class Form:
    """The fields of a form.

    Args:
        fields: name → values.
    """

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """A field, stripped; empty if it is missing."""
        return self._fields.get(name, [""])[-1].strip()

    def numbers(self, name: str) -> list[int]:
        """All values of a field.

        Raises:
            ServiceError: 400 if one is not a number.
        """
        return [number(one, name) for one in self._fields.get(name, [])]

    def number(self, name: str) -> int:
        """A field that must be there.

        Raises:
            ServiceError: 400 if it is not a number.
        """
        return number(self.text(name), name)


async def read_form(request: Request) -> Form:
    """Reads a form that our own page has sent.

    Raises:
        ServiceError: 403 without the page's CSRF token; 413 if it is too large; 400 if it is not UTF-8.
    """
    content = await read_body(request, _FORM)
    try:
        fields = parse_qs(content.decode(), keep_blank_values=True, max_num_fields=2000)
    except ValueError:
        raise ServiceError(400, "the form must be URL-encoded UTF-8 of at most 2000 fields") from None
    _check_token(request, fields.get("csrf", [""])[-1])
    return Form(fields)


async def read_upload(request: Request, most: int) -> bytes:
    """Reads a picture that our own page has sent as the body.

    Args:
        request: whose header `X-CSRF-Token` has the page's token.
        most: bytes.

    Raises:
        ServiceError: 403 without the token; 413 for more bytes.
    """
    _check_token(request, request.headers.get("x-csrf-token", ""))
    return await read_body(request, most)


async def read_vector(request: Request) -> NDArray[np.float32]:
    """Reads an embedding that our own page has sent, as `vector_text` wrote it into the page.

    Raises:
        ServiceError: 403 without the page's token; 400 if it is something else.
    """
    content = await read_upload(request, _VECTOR)
    try:
        numbers = np.frombuffer(base64.b64decode(content, validate=True), "<f4")
    except (binascii.Error, ValueError):
        raise ServiceError(400, "the embedding must be base64 of float32. Choose the picture again") from None
    return numbers.astype(np.float32)


def vector_text(vector: NDArray[np.float32]) -> str:
    """An embedding as the page holds it.

    Example:
        >>> vector_text(np.array([1.0], np.float32))
        'AACAPw=='
    """
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


async def read_body(request: Request, most: int) -> bytes:
    """Reads a body, and no more than is allowed.

    Raises:
        ServiceError: 413.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise ServiceError(413, f"at most {most} bytes can be sent. Send a smaller file")
        parts.append(part)
    return b"".join(parts)


def number(text: str, name: str) -> int:
    """A number of an identity, sighting or change.

    Raises:
        ServiceError: 400.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ServiceError(400, f"`{name}` must be a number. Received: {text[:40]!r}")
    return int(text)


def _check_token(request, token):
    if not secrets.compare_digest(token.encode(), request.state.csrf.encode()):
        raise ServiceError(403, "this form was not made for your session. Load the page again")
