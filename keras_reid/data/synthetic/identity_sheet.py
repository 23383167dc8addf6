"""A contact sheet with one row per identity and one column per camera."""

from __future__ import annotations

from PIL import Image

from keras_reid.data.synthetic.presets import PRESETS
from keras_reid.data.synthetic.studio import Studio

GAP = 3  # pixels between the images


def contact_sheet(
    kind: str = "person",
    preset: str = "small",
    seed: int = 0,
    identities: int = 10,
    part: str = "train",
    domain: str = "day",
    queries: str = "whole",
) -> Image.Image:
    """Shows the first images of some identities.

    Args:
        kind: "person" or "vehicle".
        preset: a key of `PRESETS`.
        seed: integer.
        identities: number of rows, at most the number of identities in the part.
        part: "train", "query" or "gallery".
        domain, queries: as in `Synthetic`.

    Returns:
        a `PIL.Image`; each camera has as many columns as images of an identity.

    Example:
        >>> contact_sheet(preset="tiny", identities=2).size
        (213, 137)
    """
    settings = PRESETS[preset]
    size = settings.person_size if kind == "person" else settings.vehicle_size
    rows = settings.identities(part)[:identities]
    columns = [
        (camera, shot) for camera in range(1, settings.cameras + 1) for shot in range(settings.images(part))
    ]
    high, wide = size[0] + GAP, size[1] + GAP
    sheet = Image.new("RGB", (len(columns) * wide + GAP, len(rows) * high + GAP), "white")
    studio = Studio(kind, seed, domain, queries)
    for row, identity in enumerate(rows):
        for column, (camera, shot) in enumerate(columns):
            image = studio.take(part, identity, camera, shot, size)
            sheet.paste(image, (GAP + column * wide, GAP + row * high))
    return sheet
