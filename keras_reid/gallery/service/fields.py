"""Typed values of JSON, of a form or of an address: each is asked for by name, and what nobody asks for is refused."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from typing import Any

from keras_reid.gallery.enrolment import parse_time
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

_LARGEST = 2**63 - 1  # of a number in the store
_MISSING = object()


class Fields:
    """The fields of a request.

    Args:
        values: name → value or list of values. Texts stand for numbers too, as forms and addresses have only texts; an
            empty text counts as missing.

    Example:
        >>> fields = Fields({"into": "3", "others": [4, 5]})
        >>> fields.whole("into"), fields.wholes("others")
        (3, [4, 5])
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value not in ("", None)}

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Fields:
        """Those of an address: several of one name make a list."""
        values: dict[str, Any] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        return cls({name: some[0] if len(some) == 1 else some for name, some in values.items()})

    def has(self, name: str) -> bool:
        return name in self._values

    def whole(self, name: str, default: Any = _MISSING) -> Any:
        """A whole number above 0, or the default."""
        return self._one(name, default, _whole)

    def wholes(self, name: str) -> list[int]:
        """A list of whole numbers above 0; a single one will do."""
        return [_whole(name, one) for one in self._list(name)]

    def number(self, name: str, default: Any = _MISSING) -> Any:
        """A finite number, or the default."""
        return self._one(name, default, _number)

    def text(self, name: str, default: Any = _MISSING) -> Any:
        """A text, or the default."""
        return self._one(name, default, _text)

    def texts(self, name: str) -> tuple[str, ...]:
        """Any number of texts."""
        return tuple(_text(name, one) for one in self._list(name, required=False))

    def truth(self, name: str, default: Any = _MISSING) -> Any:
        """Yes or no, or the default."""
        return self._one(name, default, _truth)

    def time(self, name: str, default: Any = _MISSING) -> Any:
        """A time with a zone, or the default."""
        return self._one(name, default, _time)

    def numbers(self, name: str, most: int) -> list[float]:
        """A list of finite numbers."""
        value = self._values.pop(name, _MISSING)
        if not isinstance(value, list) or len(value) > most:
            raise _wrong(name, f"a list of at most {most} numbers", None if value is _MISSING else value)
        return [_number(name, one) for one in value]

    def done(self) -> None:
        """Refuses fields that nobody has asked for.

        Raises:
            ServiceError: 400.
        """
        if self._values:
            name = sorted(map(str, self._values))[0]
            raise ServiceError(400, f"there is no field {name[:80]!r} here; /openapi.json lists them")

    def _one(self, name, default, read):
        value = self._values.pop(name, default)
        if value is _MISSING:
            raise ServiceError(400, f"`{name}` is missing")
        return value if value is default else read(name, value)

    def _list(self, name, required=True):
        value = self._values.pop(name, _MISSING)
        if value is _MISSING:
            if required:
                raise ServiceError(400, f"`{name}` is missing")
            return []
        return value if isinstance(value, list) else [value]


def check_time(what: str, time: datetime.datetime) -> datetime.datetime:
    """A time that every time zone can show.

    Raises:
        ServiceError: 400 for one of the first or the last year that there are.

    Example:
        >>> check_time("a time", datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC)).year
        2026
    """
    if not datetime.MINYEAR < time.year < datetime.MAXYEAR:
        raise ServiceError(400, f"{what} must be of the years 2 to 9998. Received: the year {time.year}")
    return time


def _whole(name, value):
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 < value <= _LARGEST:
        raise _wrong(name, "a whole number above 0", value)
    return value


def _number(name, value):
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _wrong(name, "a number", value) from None
    if type(value) not in (int, float) or abs(value) > 1e30 or not math.isfinite(value):
        raise _wrong(name, "a finite number", value)
    return float(value)


def _text(name, value):
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value


def _truth(name, value):
    known = {"true": True, "false": False}
    if isinstance(value, bool) or (isinstance(value, str) and value in known):
        return known.get(value, value) if isinstance(value, str) else value
    raise _wrong(name, "true or false", value)


def _time(name, value):
    try:
        return check_time(f"`{name}`", parse_time(_text(name, value)[:80], f"`{name}`"))
    except ServiceError:
        raise
    except UserError as error:
        raise ServiceError(400, str(error)) from None


def _wrong(name, rule, value):
    return ServiceError(400, f"`{name}` must be {rule}. Received: {repr(value)[:80]}")
