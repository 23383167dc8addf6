"""The page `/docs`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from keras_reid.gallery.service.openapi import document

_FOLDER = Path(__file__).parent
_NAMES = {"integer": "whole number", "string": "text", "boolean": "true or false", "array": "list"}


def routes() -> list[Route]:
    """The routes of the page and its style."""
    return [Route("/docs", _page), Route("/docs/reference.css", _style)]


async def _page(request: Request) -> Response:
    if request.state.caller is None:
        return RedirectResponse("/sign-in", 303)
    request.scope["endpoint_path"] = "/docs"
    return HTMLResponse(html())


async def _style(_: Request) -> Response:
    return Response((_FOLDER / "reference.css").read_bytes(), media_type="text/css")


@functools.cache
def html() -> str:
    """The page.

    Example:
        >>> html().startswith("<!doctype html>")
        True
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(kind=kind_in_words, fields=fields, parameters=_parameters)
    about = document()
    operations = [
        {"method": method.upper(), "path": path, "example": example(method.upper(), path, one), **one}
        for path, methods in about["paths"].items()
        for method, one in methods.items()
    ]
    return environment.get_template("reference.html").render(about=about, operations=operations)


def fields(schema: dict[str, Any], before: str = "") -> list[tuple[str, str, str]]:
    """The fields of an object, also of objects in it: name, kind in words, what it is.

    Example:
        >>> fields({"properties": {"total": {"type": "integer"}}})
        [('total', 'whole number', '')]
    """
    found = []
    for name, one in schema["properties"].items():
        found.append((before + name, kind_in_words(one), one.get("description", "")))
        inner = one.get("items") or next(iter(one.get("anyOf", [])), one)
        if "properties" in inner:
            found += fields(inner, f"{before}{name}{'[]' if 'items' in one else ''}.")
    return found


def kind_in_words(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words.

    Example:
        >>> kind_in_words({"type": "array", "items": {"type": ["string", "null"]}})
        'list: text or null'
    """
    if "anyOf" in schema:
        return " or ".join(kind_in_words(one) for one in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"]).lower()
    kinds = schema.get("type", "anything")
    words = [_NAMES.get(one, one) for one in ([kinds] if isinstance(kinds, str) else kinds)]
    if schema.get("format") == "date-time":
        words[0] = "time"
    if schema.get("format") == "binary":
        words[0] = "file"
    text = " or ".join(words)
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        text += f" {least} … {most}"
    elif least is not None:
        text += f" from {least}"
    if "maxLength" in schema:
        text += f", at most {schema['maxLength']} characters"
    if "items" in schema and "properties" not in schema["items"]:
        text += f": {kind_in_words(schema['items'])}"
    return text


def example(method: str, path: str, operation: dict[str, Any]) -> str:
    """A command that does it."""
    bodies = operation.get("requestBody", {}).get("content", {})
    path = path.replace("{hash}", "$HASH").replace("{identity}", "3").replace("{change}", "1")
    words = ["curl", f"$GALLERY{path}"]
    if operation.get("security") != []:
        words.append('-H "Authorization: Bearer $(cat TOKEN)"')
    if "image/*" in bodies:
        words += ["-H 'Content-Type: image/jpeg'", "--data-binary @who.jpg"]
    elif "multipart/form-data" in bodies:
        words += ["-F image=@anna.jpg", "-F name=Anna", "-F camera=door"]
    elif "application/json" in bodies:
        schema = bodies["application/json"]["schema"]
        wanted = schema.get("required") or list(schema["properties"])[:1]
        fields = ", ".join(f'"{name}": {_sample(schema["properties"][name])}' for name in wanted)
        words += ["-H 'Content-Type: application/json'", f"-d '{{{fields}}}'"]
    if method != ("POST" if bodies else "GET"):
        words.insert(1, f"-X {method}")
    return " ".join(words)


def _parameters(some):
    return [(one["name"], kind_in_words(one["schema"]), one["description"]) for one in some]


def _sample(schema):
    if "const" in schema:
        return "true"
    kinds = schema["type"]
    kind = kinds if isinstance(kinds, str) else kinds[0]
    return {"integer": "3", "number": "0.3", "boolean": "true", "string": '"Anna"', "array": "[17]"}[kind]
