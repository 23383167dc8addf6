"""Reads what a request's body holds: JSON, a form, an image. All of it stays in memory; nothing is written to disk."""

from __future__ import annotations

import dataclasses
import json
import re
import urllib.parse
from typing import Any

from keras_reid.gallery.service.service_error import ServiceError

_MOST_JSON, _MOST_FIELDS, _MOST_FILES = 1 << 20, 100, 1
_LONGEST_FIELD = 64 << 10
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{1,70}")


@dataclasses.dataclass(frozen=True)
class Body:
    """What a request's body holds.

    Args:
        fields: of a form, or of a JSON object: name → value, or list of values where a form has several.
        image: bytes of the file in a form, or of the whole body; None without one.
        filename: of the file, as the browser names it.
    """

    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    image: bytes | None = None
    filename: str = ""


def read_form(body: bytes, content_type: str) -> Body:
    """Reads a body by its type.

    Args:
        body: the bytes, whose number is limited already.
        content_type: `application/json`, `multipart/form-data`, `application/x-www-form-urlencoded`, `image/…` or
            `application/octet-stream`; without a body it does not matter.

    Raises:
        ServiceError: 415 for another type, 400 for a damaged body, 413 for too many fields or files.

    Example:
        >>> read_form(b'{"into": 3}', "application/json").fields
        {'into': 3}
    """
    if not body:
        return Body()
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/json":
        return Body(_json(body))
    if kind == "application/x-www-form-urlencoded":
        return Body(_urlencoded(body))
    if kind == "multipart/form-data":
        return _multipart(body, parameters)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Body(image=body)
    raise ServiceError(
        415,
        "Content-Type must be application/json, multipart/form-data, application/x-www-form-urlencoded or image/…. "
        f"Received: {kind[:80]!r}",
    )


def _json(body):
    if len(body) > _MOST_JSON:
        raise ServiceError(413, f"JSON must have at most {_MOST_JSON} bytes. Received: {len(body)}")

    def constant(name):
        raise ValueError(f"{name} is no number of JSON")

    try:
        value = json.loads(body.decode(), parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise ServiceError(400, f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise ServiceError(400, f"the body must be a JSON object. Received: {type(value).__name__}")
    return value


def _urlencoded(body):
    if len(body) > _MOST_JSON:
        raise ServiceError(
            413, f"a form without a file must have at most {_MOST_JSON} bytes. Received: {len(body)}"
        )
    try:
        pairs = urllib.parse.parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise ServiceError(400, "the body is not a form, or has too many fields") from None
    return _collected(pairs)


def _multipart(body, parameters):
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    _, options = parse_options_header(f"multipart/form-data;{parameters}")
    boundary = options.get(b"boundary", b"").decode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        raise ServiceError(400, "Content-Type: multipart/form-data must name its boundary")
    # Before the parser, which takes long over what looks like boundaries: parts, and the end.
    if body.count(b"\r\n--" + boundary.encode("latin-1")) > _MOST_FIELDS:
        raise ServiceError(413, f"a form may have {_MOST_FIELDS} fields. Received: more")
    parts = _Parts(parse_options_header)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, ServiceError):
            raise
        raise ServiceError(400, "the body is not multipart/form-data, or was cut off") from None
    if not parts.whole:
        raise ServiceError(400, "the end of the form is missing. Was the upload cut off?")
    return Body(_collected(parts.fields), parts.image, parts.filename)


class _Parts:
    """Collects the parts of a form."""

    def __init__(self, options_of):
        self._options_of = options_of
        self.fields, self.image, self.filename, self.whole = [], None, "", False

    def callbacks(self):
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in (*names, "headers_finished")}

    def _part_begin(self):
        self._header, self._value, self._disposition = b"", b"", b""
        self._pieces, self._size = [], 0
        self._name, self._is_file = "", False

    def _header_field(self, data, start, end):
        self._header += data[start:end]

    def _header_value(self, data, start, end):
        self._value += data[start:end]

    def _header_end(self):
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self):
        kind, options = self._options_of(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise ServiceError(
                400, "each part of a form must have a Content-Disposition: form-data with a name"
            )
        self._name, self._is_file = options[b"name"].decode(), b"filename" in options
        if self._is_file:
            if self.image is not None:
                raise ServiceError(413, f"a form may hold {_MOST_FILES} file. Received: more")
            self.filename = (
                options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
            )

    def _part_data(self, data, start, end):
        self._size += end - start
        if not self._is_file and self._size > _LONGEST_FIELD:
            raise ServiceError(413, f"a field of a form must have at most {_LONGEST_FIELD} bytes")
        self._pieces.append(data[start:end])

    def _part_end(self):
        content = b"".join(self._pieces)
        if self._is_file:
            # A form without a chosen file sends an empty one.
            self.image = content if content or self.filename else None
        else:
            self.fields.append((self._name, content.decode()))

    def _end(self):
        self.whole = True


def _collected(pairs):
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            first = fields[name]
            fields[name] = [*(first if isinstance(first, list) else [first]), value]
        else:
            fields[name] = value
    return fields
