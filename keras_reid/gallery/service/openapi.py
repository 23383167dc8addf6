"""The OpenAPI description of the API, from the table of its endpoints."""

from __future__ import annotations

import re
from typing import Any

import keras_reid
from keras_reid.gallery.service.api import ENDPOINTS, Endpoint

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


def document() -> dict[str, Any]:
    """OpenAPI 3.1, as JSON values.

    Example:
        >>> document()["openapi"]
        '3.1.0'
    """
    paths: dict[str, Any] = {}
    for one in ENDPOINTS:
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
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                }
            },
        },
        "security": [{"token": []}],
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
    operation: dict[str, Any] = {
        "operationId": "_".join([one.method.lower(), *_WORD.findall(one.path)]),
        "summary": one.summary,
        "description": f"Role: {one.role}.",
        "parameters": parameters,
        "responses": {
            "200": {"description": "done", "content": _content(one)},
            **{code: {"description": about, "content": error} for code, about in _ERRORS.items()},
        },
    }
    if one.method == "DELETE":
        operation["responses"]["204"] = operation["responses"].pop("200")
        del operation["responses"]["204"]["content"]
    elif one.body or one.image:
        operation["requestBody"] = {"content": _bodies(one)}
    return operation


def _content(one):
    if one.path.startswith("/v1/images/"):
        return {"image/jpeg": {}}
    return {"application/json": {"schema": {"type": "object"}}}


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
    form = {**schema, "properties": {**schema["properties"], "image": {"type": "string", "format": "binary"}}}
    bodies = {"multipart/form-data": {"schema": form}}
    if one.path == "/v1/search":
        bodies |= {"application/json": {"schema": schema}, "image/*": {}}
    return bodies
