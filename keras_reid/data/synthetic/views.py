"""What query images show of their subject: all of it, a part, or the part that an object leaves visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.synthetic.backgrounds import cloudy
from keras_reid.data.synthetic.streams import between, choose

if TYPE_CHECKING:
    from PIL import Image

VIEWS = ("whole", "partial", "occluded")
_PARTIAL_HEIGHT = (0.45, 0.7)  # share of the image
_PARTIAL_WIDTH = (0.75, 1.0)
_OCCLUDED = (0.35, 0.55)  # hidden share of the image


def cut(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Crops the upper, middle or lower part of an image, as if the subject were half outside the camera's view.

    Args:
        rng: draws the part.
        picture: a `PIL.Image`.

    Returns:
        a smaller `PIL.Image`, 45 to 70 % of the height, 75 to 100 % of the width.
    """
    width, height = picture.size
    tall, wide = round(between(rng, _PARTIAL_HEIGHT) * height), round(between(rng, _PARTIAL_WIDTH) * width)
    left = int(rng.integers(0, width - wide + 1))
    top = {"top": 0, "middle": (height - tall) // 2, "bottom": height - tall}[
        choose(rng, {"top": 2, "middle": 1, "bottom": 1})
    ]
    return picture.crop((left, top, left + wide, top + tall))


def hide(
    rng: np.random.Generator,
    picture: NDArray[np.float32],
    brightness: float,
    hidden: tuple[float, float] = _OCCLUDED,
) -> None:
    """Draws a large object over a part of `picture` `(height, width, 3)`, in place, from below or from a side.

    Args:
        rng: draws the object.
        picture: float, 0–1.
        brightness: brightness of the light on the object.
        hidden: least and largest share of the picture that it covers. Defaults to (0.35, 0.55).
    """
    height, width = picture.shape[:2]
    share = between(rng, hidden)
    side = choose(rng, {"below": 2, "left": 1, "right": 1})
    area: Any = {
        "below": np.s_[round((1 - share) * height) :],
        "left": np.s_[:, : round(share * width)],
        "right": np.s_[:, round((1 - share) * width) :],
    }[side]
    colour = np.clip(between(rng, (0.2, 0.7)) + rng.normal(0, 0.08, 3), 0.1, 0.9) * brightness
    picture[area] = (colour * (0.8 + 0.4 * cloudy(rng, height, width, (8, 16, 40)))[..., None])[area]
