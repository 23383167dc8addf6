"""Ranked lists and activation maps in pages."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError
from keras_reid.visualization.activation import draw_heat, similarity_maps
from keras_reid.visualization.figure import figure
from keras_reid.visualization.page import Section, notes, page_header, render, write_page
from keras_reid.visualization.ranked_list import camera_label, describe_distance
from keras_reid.visualization.thumbnails import common_size, thumbnail

if TYPE_CHECKING:
    import numpy as np
    from markupsafe import Markup

    from keras_reid.visualization.ranked_list import RankedList

_HEIGHT, _SMALL = 150, 100
_FINER = 2.5  # than shown: a click shows a picture large
_MOST_MISSED = 10


def write_list_page(
    path: str | os.PathLike[str], ranked_list: RankedList, model: Any, embedding: np.ndarray
) -> None:
    """Writes a page with a query's ranked list, the matches that come later, and its activation maps.

    Args:
        path: HTML file to write.
        ranked_list: a `RankedList`.
        model: the `ReIDModel` that made it.
        embedding: `(dim,)` of the query.
    """
    title = pathlib.Path(ranked_list.path).name
    images = [ranked_list.path, *(image.path for image in ranked_list.images)]
    try:
        maps = render_maps([ranked_list], [similarity_maps(model, images, embedding)])
    except UserError as error:
        maps = notes(f"There are none for this model: {error}.")
    header = page_header(title, ranked_list.path)
    sections = [
        Section("Ranked list", render_lists({"": [ranked_list]})),
        Section("Activation maps", maps),
    ]
    write_page(path, title, header, sections)


def render_lists(groups: Mapping[str, Sequence[RankedList]]) -> Markup:
    """Each query with its nearest gallery images, and below them the matches that come later.

    Args:
        groups: heading → `RankedList`s; an empty heading is left out.

    Returns:
        `Markup`.
    """
    groups = [{"title": title, "lists": _lists(lists)} for title, lists in groups.items()]
    return render("ranked_lists", groups=groups)


def render_maps(lists: Sequence[RankedList], maps: Sequence[np.ndarray]) -> Markup:
    """The same lists with activation maps over the pictures; one scale for a row, so that a paler map means less.

    Args:
        lists: `RankedList`s.
        maps: of each list, `(1 + images, height, width)`: the query's and those of its gallery images.

    Returns:
        `Markup`.
    """
    size = common_size([one.path for one in lists], _HEIGHT)
    rows = [_images(one, size, heats) for one, heats in zip(lists, maps, strict=True)]
    return render("activation_maps", rows=rows)


def _lists(lists):
    size = common_size([one.path for one in lists], _HEIGHT)
    small = common_size([one.path for one in lists], _SMALL)
    return [
        {
            "average_precision": None if math.isnan(one.average_precision) else one.average_precision,
            "name": pathlib.Path(one.path).name,
            "images": _images(one, size),
            "missed": [
                _figure(image.path, small, "right", f"rank {image.rank:,}", image.camera)
                for image in one.missed[:_MOST_MISSED]
            ],
            "missed_count": len(one.missed),
            "last_rank": f"{one.missed[-1].rank:,}" if one.missed else "",
        }
        for one in lists
    ]


def _images(one, size, heats=None):
    """The query and its nearest gallery images, under their activation maps if there are some."""
    largest = None if heats is None else float(heats.max())
    drawn = [None] * (1 + len(one.images)) if heats is None else [(heat, largest) for heat in heats]
    images = [_figure(one.path, size, "query", "query", one.camera, drawn[0])]
    for image, heat in zip(one.images, drawn[1:], strict=True):
        kind, caption = "right" if image.right else "wrong", describe_distance(one.metric, image.distance)
        images.append(_figure(image.path, size, kind, caption, image.camera, heat))
    return images


def _figure(path, size, kind, caption, camera, heat=None):
    """What `templates/images.html` shows of an image.

    Args:
        path: the image file.
        size: `(width, height)` that it has to fit into.
        kind: `"query"`, `"right"` or `"wrong"`.
        caption: what stands below.
        camera: its name, or None.
        heat: an activation map and the value of its lightest colour, or None.
    """
    image = thumbnail(path, size, _FINER)
    what = {"right": "same identity", "wrong": "another identity"}.get(kind, kind)
    if heat is not None:
        image, what = draw_heat(image, *heat), f"activation map, {what}"
    alt = f"{what}: {pathlib.Path(path).name}"
    return figure(image, size, alt, caption, kind, None if camera is None else camera_label(camera))
