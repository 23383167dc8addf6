"""Ranked lists as parts of a page."""

import math
import pathlib

from keras_reid.visualization.heat import draw_heat
from keras_reid.visualization.markup import Markup, markup, percent, picture
from keras_reid.visualization.ranked_list import describe_distance
from keras_reid.visualization.thumbnails import common_size, thumbnail

_HEIGHT, _SMALL = 150, 100
_MOST_MISSED = 10


def list_markup(lists):
    """Each query with its nearest gallery images, and below them the matches that come later.

    Args:
        lists: `RankedList`s.

    Returns:
        `Markup`.
    """
    size = common_size([one.path for one in lists], _HEIGHT)
    small = common_size([one.path for one in lists], _SMALL)
    parts = []
    for one in lists:
        figures = [_figure(one.path, size, "query", "query", one.camera)]
        for image in one.images:
            caption = describe_distance(one.metric, image.distance)
            figures.append(_figure(image.path, size, _kind(image), caption, image.camera))
        parts.append(f"<h3>{_heading(one)}</h3><div class=list>{''.join(figures)}</div>")
        if one.missed:
            parts.append(_missed(one, small))
    return Markup("\n".join(parts))


def map_markup(lists, maps):
    """The same lists with activation maps over the pictures; one scale for a row, so that a paler map means less.

    Args:
        lists: `RankedList`s.
        maps: of each list, `(1 + images, height, width)`: the query's and those of its gallery images.

    Returns:
        `Markup`.
    """
    size = common_size([one.path for one in lists], _HEIGHT)
    rows = []
    for one, heats in zip(lists, maps, strict=True):
        largest = float(heats.max())
        figures = [_figure(one.path, size, "query", "query", one.camera, (heats[0], largest))]
        for image, heat in zip(one.images, heats[1:], strict=True):
            caption = describe_distance(one.metric, image.distance)
            figures.append(_figure(image.path, size, _kind(image), caption, image.camera, (heat, largest)))
        rows.append(f"<div class=list>{''.join(figures)}</div>")
    return Markup(f"<div class=maps>{''.join(rows)}</div>")


def _missed(one, size):
    figures = [
        _figure(image.path, size, "right", f"rank {image.rank:,}", image.camera)
        for image in one.missed[:_MOST_MISSED]
    ]
    rest = len(one.missed) - len(figures)
    more = f"<p class=more>and {rest} more, the last at rank {one.missed[-1].rank:,}</p>" if rest else ""
    count = f"{len(one.missed)} true match" + ("es" if len(one.missed) > 1 else "")
    return f"<h4>Missed: {count} further down</h4><div class='list missed'>{''.join(figures)}{more}</div>"


def _heading(one):
    name = f"<span>{markup(pathlib.Path(one.path).name)}</span>"
    if math.isnan(one.average_precision):
        return f"no match in the gallery {name}"
    return f"AP {percent(one.average_precision)} {name}"


def _kind(image):
    return "right" if image.right else "wrong"


def _figure(path, size, kind, caption, camera, heat=None):
    image = thumbnail(path, size)
    what = {"right": "same identity", "wrong": "another identity"}.get(kind, kind)
    if heat is not None:
        image, what = draw_heat(image, *heat), f"activation map, {what}"
    # The colour of the frame is not all that says whether it is right.
    sign = {"right": "✓ ", "wrong": "✗ "}.get(kind, "")
    place = "" if camera is None else f" <span>cam {markup(camera)}</span>"
    alt = f"{what}: {pathlib.Path(path).name}"
    return f"<figure class={kind}>{picture(image, alt)}<figcaption>{sign}{markup(caption)}{place}</figcaption></figure>"
