"""The page of an album: its pictures as groups, each an identity."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from keras_reid.utils.percent import percent
from keras_reid.visualization.figure import figure
from keras_reid.visualization.page import Section, notes, page_header, render, write_page
from keras_reid.visualization.thumbnails import thumbnail

_FRAME = (96, 120)  # pixels, width and height that a picture has to fit into
_FINER = 2.5  # than shown: a click shows a picture large
_OF_GROUP, _IN_ALL = 24, 3000  # pictures that are drawn


@dataclasses.dataclass(frozen=True)
class AlbumPicture:
    """A picture of an album.

    Args:
        path: its file.
        probability: that it is of its group, 0 … 1.
    """

    path: str
    probability: float


@dataclasses.dataclass(frozen=True)
class AlbumGroup:
    """The pictures of one identity.

    Args:
        title: what the identity is called.
        pictures: `AlbumPicture`s.
    """

    title: str
    pictures: tuple[AlbumPicture, ...]


def write_album_page(
    path: str | os.PathLike[str],
    title: str,
    groups: Sequence[AlbumGroup],
    facts: Iterable[tuple[str, str]] = (),
    next_step: str = "",
) -> None:
    """Writes a page with the pictures of each group, the least certain last.

    Of a group the 24 most and least certain pictures are drawn, and 3000 in all; the others are counted. Pictures that
    are alone stand together at the end. Time: that of decoding those that are drawn.

    Args:
        path: HTML file to write.
        title: of the page.
        groups: `AlbumGroup`s, in the order of the page.
        facts: `(name, text)` for the top of the page.
        next_step: a sentence on what to do with it.

    Example:
        >>> write_album_page("index.html", "Holiday", [AlbumGroup("1", (picture,))])  # doctest: +SKIP
    """
    left = _IN_ALL
    several, rows = [group for group in groups if len(group.pictures) > 1], []
    for group in several:
        ordered = sorted(group.pictures, key=lambda one: -one.probability)
        shown = (
            ordered
            if len(ordered) <= _OF_GROUP
            else [*ordered[: _OF_GROUP // 2], *ordered[-_OF_GROUP // 2 :]]
        )
        shown = shown[:left]
        left -= len(shown)
        rows.append(
            {
                "title": group.title,
                "count": f"{len(ordered):,} pictures",
                "images": [_figure(one, percent(one.probability)) for one in shown],
                "more": f"and {len(ordered) - len(shown):,} more" if len(shown) < len(ordered) else "",
            }
        )
    alone = [(group.title, group.pictures[0]) for group in groups if len(group.pictures) == 1]
    sections = []
    if rows:
        sections.append(Section("Groups", _legend() + render("album", groups=rows)))
    if alone:
        drawn = [_figure(one, f"{title} · {percent(one.probability)}") for title, one in alone[:left]]
        more = f"and {len(alone) - len(drawn):,} more" if len(drawn) < len(alone) else ""
        only = {"title": "", "count": "", "images": drawn, "more": more}
        sections.append(Section("Alone", _lonely() + render("album", groups=[only])))
    write_page(path, title, page_header(title, next_step, facts=facts), sections)


def _legend() -> Markup:
    return notes(
        "Below each picture: the probability that it is of its group rather than of another one or of none. In each "
        "group the most certain come first."
    )


def _lonely() -> Markup:
    return notes(
        "Below each picture: its number, and the probability that no other picture shows the same one."
    )


def _figure(picture, caption):
    name = pathlib.Path(picture.path).name.encode("utf-8", "replace").decode()
    return figure(thumbnail(picture.path, _FRAME, _FINER), _FRAME, name, caption)
