"""The OpenAPI description of the API, from the table of its endpoints."""

from __future__ import annotations

import functools
import re
from typing import Any

import keras_reid
from keras_reid.gallery.service.access import COOKIE
from keras_reid.gallery.service.api import ENDPOINTS, OTHERS, Endpoint
from keras_reid.gallery.service.schemas import schema_of

_WORD = re.compile(r"\w+")
_PATH_FIELD = re.compile(r"\{(\w+)\}")
_ERRORS = {
    "400": "a mistake in the request",
    "401": "no token, or a wrong one",
    "403": "the token may not do this",
    "404": "there is no such thing",
    "429": "too many requests",
    "503": "busy, or the database is away",
}
_BODY_ERRORS = {
    "408": "the body arrives too slowly",
    "409": "something that is there now stands in the way",
    "413": "the body, or its image, is too large",
    "415": "the body, or its image, is of another kind",
}


@functools.cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1, as JSON values. Do not change it.

    Example:
        >>> document()["openapi"]
        '3.1.0'
    """
    paths: dict[str, Any] = {}
    for one in (*ENDPOINTS, *OTHERS):
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "keras_reid gallery",
            "version": keras_reid.__version__,
            "description": "Who is this, and where else were they seen?",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                }
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _operation(one: Endpoint) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_FIELD.findall(one.path)
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.about, "schema": each.schema}
        for each in one.query
    ]
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = _ERRORS | (_BODY_ERRORS if one.body or one.image else {})
    operation: dict[str, Any] = {
        "operationId": "_".join([one.method.lower(), *_WORD.findall(one.path)]),
        "summary": one.summary,
        "description": f"Role: {one.role}." if one.role else "Needs no token.",
        "parameters": parameters,
        "responses": {
            **_done(one),
            **{code: {"description": errors[code], "content": error} for code in sorted(errors)},
        },
    }
    if one.role is None:
        operation["security"] = []
    if one.method != "DELETE" and (one.body or one.image):
        operation["requestBody"] = {"content": _bodies(one)}
    return operation


def _done(one):
    if one.answer is None:
        return {"204": {"description": "done"}}
    if isinstance(one.answer, str):
        return {"200": {"description": "done", "content": {one.answer: {}}}}
    return {
        "200": {"description": "done", "content": {"application/json": {"schema": schema_of(one.answer)}}}
    }


def _bodies(one):
    schema = {
        "type": "object",
        "properties": {each.name: {**each.schema, "description": each.about} for each in one.body},
        "additionalProperties": False,
    }
    if required := [each.name for each in one.body if each.required]:
        schema["required"] = required
    if not one.image:
        return {"application/json": {"schema": schema}}
    form = {
        **schema,
        "properties": {
            **schema["properties"],
            "image": {"type": "string", "format": "binary", "description": "a JPEG, PNG or BMP file"},
        },
    }
    bodies = {"multipart/form-data": {"schema": form}}
    if one.path == "/v1/search":
        bodies |= {"application/json": {"schema": schema}, "image/*": {}}
    return bodies
