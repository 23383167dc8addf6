"""Templates to HTML. Text is escaped; there is no script and no style inside the pages."""

from __future__ import annotations

import datetime
import functools
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import markupsafe
from starlette.responses import HTMLResponse

from keras_reid.gallery.service.page import wording
from keras_reid.gallery.shown_names import shown_identity, shown_text
from keras_reid.utils.percent import percent

if TYPE_CHECKING:
    from starlette.requests import Request

STATIC = Path(__file__).parent / "static"


def respond(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page.

    Args:
        request: whose `state` has the `caller` (None before somebody has signed in), `csrf` and `zone`, and whose
            application's `state` has the `service`.
        template: name of the file in `templates/`, without its ending.
        status: of HTTP.
        values: what the template needs.
    """
    zone, now = request.state.zone, datetime.datetime.now(datetime.UTC)
    page = environment().get_template(f"{template}.html")
    text = page.render(
        me=request.state.caller,  # `caller` means something else in macros
        csrf=request.state.csrf,
        with_tokens=request.app.state.service.access.with_tokens,
        path=request.url.path,
        shape=shape(request.app.state.service.gallery.image_size),
        zone=zone.key,
        moment=lambda time: wording.moment(time, zone, now),
        day=lambda time: wording.day(time, zone, now),
        full_day=lambda time: wording.full_day(time, zone),
        clock=lambda time: wording.clock(time.astimezone(zone)),
        stamp=lambda time: f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}",
        **values,
    )
    return HTMLResponse(text, status)


def shape(image_size: tuple[int, int]) -> str:
    """How tall the frames of pictures are: as the images of the model.

    Args:
        image_size: (height, width).

    Example:
        >>> shape((256, 128)), shape((256, 256))
        ('tall', 'square')
    """
    height, width = image_size
    if height > 1.4 * width:
        return "tall"
    return "wide" if width > 1.4 * height else "square"


@functools.cache
def environment() -> jinja2.Environment:
    """Where the templates are, and what they may call."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_reid.gallery.service.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, shown=shown_text, coded=_coded, sentence=_sentence)
    made.globals.update(
        named=lambda one: shown_identity(getattr(one, "identity", None) or one.id, one.name),
        shown_identity=shown_identity,
        counted=wording.counted,
        grouped=wording.grouped,
        change_in_words=wording.change_in_words,
        verdicts=wording.VERDICTS,
        static=_static,
    )
    return made


def _coded(text):
    """A message with its `code` set as code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))


def _sentence(text):
    """A message, which begins small and has no full stop, as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


@functools.cache
def _static(name):
    """The address of a static file, which changes with its content, so that browsers may keep it for ever."""
    content = (STATIC / name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(content).hexdigest()[:12]}"
