"""Maps over images."""

import numpy as np
from PIL import Image

# Dark violet to light yellow: lightness rises all the way, so that it reads without colour vision, too.
_COLORS = np.array(
    [(20, 11, 52), (89, 15, 109), (159, 42, 99), (220, 80, 58), (249, 142, 9), (252, 214, 74)], np.float32
)


def draw_heat(image, heat, largest):
    """A picture, greyed, with a map over it: the lighter and the more opaque, the higher.

    Args:
        image: `PIL.Image`, RGB.
        heat: `(height, width)`; what is negative counts as 0.
        largest: value of the lightest colour.

    Returns:
        `PIL.Image` of the same size.
    """
    field = Image.fromarray(np.maximum(heat, 0).astype(np.float32), "F").resize(
        image.size, Image.Resampling.BICUBIC
    )
    value = np.clip(np.asarray(field) / max(largest, 1e-12), 0, 1)
    place = value * (len(_COLORS) - 1)
    low = np.minimum(place.astype(int), len(_COLORS) - 2)
    share = (place - low)[..., None]
    colour = _COLORS[low] * (1 - share) + _COLORS[low + 1] * share
    grey = np.asarray(image.convert("L"), np.float32)[..., None] * np.ones(3, np.float32)
    opacity = (0.3 + 0.5 * value)[..., None]
    return Image.fromarray(np.round(grey * (1 - opacity) + colour * opacity).astype(np.uint8))
