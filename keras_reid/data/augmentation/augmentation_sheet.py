"""A contact sheet with one row per augmentation and one column per seed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from keras_reid.data import augmentation as augmentations

GAP, LABEL = 3, 170  # pixels between the images, and width of the names


def contact_sheet(images: NDArray[np.uint8], seeds: int = 8) -> Image.Image:
    """Shows what each augmentation does to an image.

    Args:
        images: uint8 `(batch, height, width, 3)`. The first column shows the first image, each further column that
            image after the augmentation; other images may appear as patches.
        seeds: number of columns after the first.

    Returns:
        a `PIL.Image`. Augmentations have probability 1 and otherwise their default values.

    Example:
        >>> contact_sheet(np.zeros((4, 64, 32, 3), "uint8"), seeds=2).width
        278
    """
    rows: list[Any] = [
        cls for name, cls in sorted(vars(augmentations).items()) if dataclasses.is_dataclass(cls)
    ]
    high, wide = images.shape[1] + GAP, images.shape[2] + GAP
    sheet = Image.new("RGB", (LABEL + (seeds + 1) * wide + GAP, len(rows) * high + GAP), "white")
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, cls in enumerate(rows):
        top = GAP + row * high
        drawing.text((GAP * 2, top + high // 2 - 8), cls.__name__, "black", font)
        sheet.paste(Image.fromarray(images[0]), (LABEL, top))
        fields = {field.name for field in dataclasses.fields(cls)}
        augmentation = cls(**({"probability": 1.0} if "probability" in fields else {}))
        for seed in range(seeds):
            whole = augmentation.stage == "batch"
            changed = np.asarray(augmentation(images if whole else images[0], (seed, row)))
            picture = Image.fromarray(changed[0] if whole else changed).resize(images.shape[2:0:-1])
            sheet.paste(picture, (LABEL + (seed + 1) * wide, top))
    return sheet
