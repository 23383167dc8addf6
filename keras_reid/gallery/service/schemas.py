"""JSON schemas of records, from their types and docstrings."""

from __future__ import annotations

import dataclasses
import datetime
import inspect
import types
import typing
from typing import Any

import numpy as np

_PLAIN: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    datetime.datetime: {"type": "string", "format": "date-time"},
}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of what `records.plain` makes of a type.

    Args:
        kind: a dataclass, `int`, `float`, `str`, `bool`, `datetime`, one of these or None, a list or tuple of them; or
            a dict: name → kind, or a list that holds one kind.

    Example:
        >>> schema_of({"names": [str | None]})["properties"]["names"]["items"]
        {'type': ['string', 'null']}
    """
    if isinstance(kind, dict):
        return _object({name: schema_of(one) for name, one in kind.items()})
    if isinstance(kind, list):
        return {"type": "array", "items": schema_of(kind[0])}
    if dataclasses.is_dataclass(kind):
        hints, about = typing.get_type_hints(kind), _described(kind)
        return _object(
            {
                field.name: schema_of(hints[field.name]) | about.get(field.name, {})
                for field in dataclasses.fields(kind)
                if typing.get_origin(hints[field.name]) is not np.ndarray  # `plain` leaves embeddings out
            }
        )
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (one,) = (each for each in inner if each is not type(None))
        schema = schema_of(one)
        if isinstance(schema.get("type"), str) and "properties" not in schema:
            return {**schema, "type": [schema["type"], "null"]}
        return {"anyOf": [schema, {"type": "null"}]}
    if origin in (tuple, list):
        return {"type": "array", "items": schema_of(inner[0])}
    return dict(_PLAIN[kind])


def _object(properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


def _described(kind):
    """What a docstring says of each argument."""
    _, _, lines = (inspect.getdoc(kind) or "").partition("\nArgs:\n")
    found: dict[str, dict[str, str]] = {}
    names: list[str] = []
    for line in lines.partition("\n\n")[0].splitlines():
        if not line.startswith("     "):
            before, _, line = line.partition(":")
            names = [name.strip() for name in before.split(",")]
        for name in names:
            said = found.setdefault(name, {"description": ""})
            said["description"] = f"{said['description']} {line.strip()}".strip()
    for said in found.values():
        said["description"] = said["description"].rstrip(".").replace("None", "null")
    return found
