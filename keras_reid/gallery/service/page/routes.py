"""The addresses of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from keras_reid.gallery.service.page import files, people, searching, session, upkeep
from keras_reid.gallery.service.page.handling import page

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_GET, _POST = ("GET",), ("POST",)
_ROUTES = (
    ("/", searching.search, _GET + _POST),
    ("/answers", searching.answer, _POST),
    ("/identities", people.identities, _GET),
    ("/identities/{key}", people.identity, _GET),
    ("/names", people.names, _GET),
    ("/identities/{key}/rename", people.rename, _POST),
    ("/identities/{key}/split", people.split, _POST),
    ("/identities/{key}/watch", people.watch, _POST),
    ("/identities/{key}/forget", people.forget, _GET + _POST),
    ("/merge", people.merge, _GET + _POST),
    ("/enrol", upkeep.enrol, _GET + _POST),
    ("/check", upkeep.check, _GET),
    ("/activity", upkeep.activity, _GET),
    ("/changes/{key}/undo", upkeep.undo, _POST),
    ("/pictures/{key}", files.picture, _GET),
)
_PUBLIC = (
    ("/sign-in", session.sign_in, _GET + _POST),
    ("/sign-out", session.sign_out, _POST),
    ("/static/{name}", files.static, _GET),
)


def routes(zone: ZoneInfo) -> list[BaseRoute]:
    """The routes of the page, for `application`.

    Args:
        zone: of the times that people read and write.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> routes(ZoneInfo("Europe/Berlin"))[0].path
        '/'
    """
    return [
        Route(path, page(handler, path, zone, public), methods=list(methods))
        for some, public in ((_ROUTES, False), (_PUBLIC, True))
        for path, handler, methods in some
    ]
