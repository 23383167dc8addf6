"""The properties of a vehicle that are the same for every camera: style, paint, livery, load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_reid.data.synthetic.streams import between, choose, colours, tinted
from keras_reid.data.synthetic.vehicle_styles import STYLE_SHARES

PAINT = colours(
    "ececec", "f2f0ea", "c6c8cb", "92969c", "5a5e66", "26282c", "2a2a32", "8c1820", "c22c2c", "20386e", "3c6cae",
    "7cb0d4", "2c5038", "62a05a", "c2a878", "d67024", "e6c22e", "6a4630",
)  # fmt: skip


@dataclass(frozen=True)
class Finish:
    """Properties that distinguish vehicles of the same style. Colours are `(3,)` float32 in 0–1, lengths in metres."""

    style: str
    stretch: float  # length relative to that of the style
    paint: np.ndarray
    second: np.ndarray
    livery: str  # "plain", "two-tone", "stripe", "door sign", "roof", "bonnet", "racing stripes"
    sign_place: float
    sign_length: float
    glass: float  # lightness
    rim: float  # lightness
    rim_size: float  # share of the wheel
    load: str  # "none", "rack", "box"
    load_colour: np.ndarray


def draw_finish(rng: np.random.Generator) -> Finish:
    """Draws a `Finish` at random."""
    paint = tinted(rng, PAINT, 0.02)
    second = tinted(rng, PAINT, 0.02)
    while np.linalg.norm(second - paint) < 0.35:
        second = tinted(rng, PAINT, 0.02)
    return Finish(
        style=choose(rng, STYLE_SHARES),
        stretch=between(rng, (0.93, 1.07)),
        paint=paint,
        second=second,
        livery=choose(
            rng,
            {
                "plain": 0.36,
                "two-tone": 0.12,
                "stripe": 0.13,
                "door sign": 0.12,
                "roof": 0.1,
                "bonnet": 0.08,
                "racing stripes": 0.09,
            },
        ),
        sign_place=between(rng, (-0.6, 0.4)),
        sign_length=between(rng, (0.25, 0.6)),
        glass=between(rng, (0.1, 0.3)),
        rim=between(rng, (0.2, 0.85)),
        rim_size=between(rng, (0.45, 0.75)),
        load=choose(rng, {"none": 0.7, "rack": 0.15, "box": 0.15}),
        load_colour=tinted(rng, PAINT, 0.02),
    )
