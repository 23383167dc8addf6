"""A picture in a page, as `templates/images.html` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid.visualization.page import picture_source

if TYPE_CHECKING:
    from PIL import Image


def figure(
    image: Image.Image,
    size: tuple[int, int],
    alt: str,
    caption: str,
    kind: str = "",
    camera: str | None = None,
) -> dict[str, Any]:
    """What the template shows of a picture.

    Args:
        image: the picture; it may be finer than it is shown, for a click shows it large.
        size: `(width, height)` in pixels that it has to fit into.
        alt: what it shows, in words.
        caption: what stands below.
        kind: `"query"`, `"right"` or `"wrong"`, for the frame; without one by default.
        camera: label of its camera, or None.
    """
    scale = min(size[0] / image.width, size[1] / image.height)
    return {
        "kind": kind,
        "source": picture_source(image),
        "width": max(1, round(scale * image.width)),
        "height": max(1, round(scale * image.height)),
        "alt": alt,
        "caption": caption,
        "camera": camera,
    }
