"""The properties of a person that are the same for every camera: build, hair, clothes, bag, hat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_reid.data.synthetic.streams import between, choose, colours, tinted

CLOTH = colours(
    "20212a", "2c2f38", "4b4e57", "7d7f84", "b4b4b2", "eeece6", "f4f4f2", "22305c", "2f4a86", "4a78b8", "8fb4d8",
    "7c2026", "b8302e", "d4602c", "e0b23c", "f0dc78", "2f5a38", "5f8a3c", "2c7f78", "66c0b4", "6b4a32", "a5804f",
    "d8c29a", "6a3a80", "b070b8", "e08ca4", "d8407c",
)  # fmt: skip
SKIN = colours("f0cfb6", "e2b998", "cc9c78", "a27650", "79543a", "573c2c")
HAIR = colours("1e1a19", "2e2320", "5a4030", "8c6a46", "c09a5c", "8e8c88", "82442a")
LEATHER = colours(
    "26262a", "4a3426", "8a5a34", "b03038", "2c4478", "d0b890", "5a6e48", "c86ca0", "d8a030", "e8e6e0"
)


@dataclass(frozen=True)
class Outfit:
    """Everything about a person that is the same for all cameras.

    Lengths are heights on the standard body in metres (0 at the hip, 0.59 at the neck, -0.75 at the ankle); `sleeve` is
    a share of the arm. Colours are `(3,)` float32 in 0–1.
    """

    female: bool
    stoutness: float
    skin: np.ndarray
    hair: np.ndarray
    hair_style: str  # "short", "long", "bald"
    top: str  # "tee", "shirt", "jacket", "coat", "dress"
    sleeve: float
    top_colour: np.ndarray
    second_colour: np.ndarray
    inner_colour: np.ndarray
    pattern: str  # "plain", "hoops", "stripes", "checks", "block", "chest print", "back print"
    pattern_width: float
    bottom: str  # "trousers", "shorts", "skirt", "none"
    bottom_end: float
    bottom_colour: np.ndarray
    side_stripe: bool
    shoes: np.ndarray
    bag: str  # "none", "backpack", "shoulder", "hand"
    bag_side: int
    bag_colour: np.ndarray
    hat: bool
    hat_colour: np.ndarray


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draws an `Outfit` at random."""
    female = bool(rng.random() < 0.5)
    top = choose(rng, {"tee": 0.34, "shirt": 0.22, "jacket": 0.2, "coat": 0.12, "dress": 0.12 * female})
    if top == "dress":
        bottom = "none"
    else:
        bottom = choose(rng, {"trousers": 0.64, "shorts": 0.2, "skirt": 0.25 * female})
    skin = tinted(rng, SKIN, 0.02)
    top_colour = _unlike(rng, skin)
    return Outfit(
        female=female,
        stoutness=float(np.clip(rng.normal(0, 0.5), -1.2, 1.2)),
        skin=skin,
        hair=tinted(rng, HAIR, 0.02),
        hair_style=choose(
            rng, {"short": 0.3, "long": 0.7} if female else {"short": 0.82, "long": 0.08, "bald": 0.1}
        ),
        top=top,
        sleeve=between(rng, (0.3, 0.5)) if top in ("tee", "dress") else 1.0,
        top_colour=top_colour,
        second_colour=_unlike(rng, top_colour),
        inner_colour=_unlike(rng, top_colour),
        pattern=choose(
            rng,
            {
                "plain": 0.4,
                "hoops": 0.14,
                "stripes": 0.08,
                "checks": 0.08,
                "block": 0.12,
                "chest print": 0.09,
                "back print": 0.09,
            },
        ),
        pattern_width=between(rng, (0.05, 0.11)),
        bottom=bottom,
        bottom_end={"trousers": -0.73, "shorts": between(rng, (-0.4, -0.2)), "skirt": -0.25, "none": -0.3}[
            bottom
        ],
        bottom_colour=_unlike(rng, skin),
        side_stripe=bool(rng.random() < 0.12),
        shoes=tinted(rng, CLOTH),
        bag=choose(rng, {"none": 0.48, "backpack": 0.26, "shoulder": 0.14, "hand": 0.12}),
        bag_side=int(rng.choice([-1, 1])),
        bag_colour=tinted(rng, LEATHER),
        hat=bool(rng.random() < 0.15),
        hat_colour=tinted(rng, CLOTH),
    )


def _unlike(rng, other, distance=0.3):
    """A cloth colour that is clearly different from `other`."""
    while True:
        colour = tinted(rng, CLOTH)
        if np.linalg.norm(colour - other) > distance:
            return colour
