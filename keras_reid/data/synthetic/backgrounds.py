"""Draws the background of a camera, and objects in front of the subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_reid.data.synthetic.streams import between, choose, colours

SCENE_SIZE = 320  # pixels; an image shows about half of it
# Cameras of one site see similar ground and walls. If these differed as much as the clothes, the background instead of
# the people would decide which images look alike.
FLOORS = colours("8f8b84", "98938a", "858482", "9c968c")
WALLS = colours("a8a49a", "b0a592", "9a9c9e", "b4aea2")
GRASS = colours("7a8468")[0]


def cloudy(
    rng: np.random.Generator,
    height: int,
    width: int,
    sizes: Sequence[int] = (4, 8, 16, 32, 64),
    persistence: float = 0.6,
) -> NDArray[np.float32]:
    """Smooth noise `(height, width)` float32 in 0–1 from random grids of several sizes; coarse grids are strongest."""
    total, strength = np.zeros((height, width), "float32"), 1.0
    for size in sizes:
        rows, columns = (
            max(2, size * height // max(height, width)),
            max(2, size * width // max(height, width)),
        )
        grid = Image.fromarray(rng.random((rows, columns)).astype("float32"))
        total += strength * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
        strength *= persistence
    return (total - total.min()) / max(float(np.ptp(total)), 1e-6)


def paint_scene(
    rng: np.random.Generator, size: int = SCENE_SIZE, horizon: float | None = None
) -> NDArray[np.uint8]:
    """Paints a scene: ground, a wall or trees behind it, and objects in between.

    Args:
        rng: draws the scene.
        size: height and width in pixels.
        horizon: where the ground ends, as a share of the height from the top; None draws it.

    Returns:
        `(size, size, 3)` uint8.
    """
    drawn = between(rng, (0.15, 0.5))
    horizon = drawn if horizon is None else horizon
    fine, coarse = cloudy(rng, size, size), cloudy(rng, size, size, (2, 3, 5, 9))
    rows = np.linspace(0, 1, size)
    ground = rows > horizon
    floor = FLOORS[rng.integers(len(FLOORS))] * between(rng, (0.9, 1.15))
    wall = WALLS[rng.integers(len(WALLS))] * between(rng, (0.85, 1.15))
    scene = np.where(
        ground[:, None, None], floor * (0.85 + 0.3 * fine[..., None]), wall * (0.75 + 0.5 * coarse[..., None])
    )
    kind = choose(rng, {"plain": 1, "tiles": 1, "road": 1, "lawn": 1})
    if kind == "tiles":
        across, away = np.meshgrid(np.linspace(-1, 1, size), np.maximum(rows - horizon, 0.02))
        joints = (((across / away * 1.2) % 1 < 0.06) | ((1.5 / away) % 1 < 0.08)) & ground[:, None]
        scene[joints] *= 0.84
    elif kind == "road":
        for _ in range(3):
            left, width = int(rng.integers(0, size - 16)), int(rng.integers(4, 11))
            scene[ground, left : left + width] = 0.82
    elif kind == "lawn":
        scene[ground] = GRASS * (0.75 + 0.5 * fine[ground][..., None])
    for _ in range(rng.integers(3, 10)):  # windows, signs, posts, parked objects
        width, height = int(rng.integers(8, 55)), int(rng.integers(10, 80))
        left = int(rng.integers(0, size - width))
        top = max(0, int(horizon * size) - int(rng.integers(0, 60)) - height // 2)
        colour = np.clip(between(rng, (0.25, 0.75)) + rng.normal(0, 0.04, 3), 0.1, 0.9)
        area = (slice(top, top + height), slice(left, left + width))
        scene[area] = colour * (0.85 + 0.3 * fine[area][..., None])
    return (np.clip(scene, 0, 1) * 255).astype("uint8")


def crop_scene(rng: np.random.Generator, scene: NDArray[np.uint8], height: int, width: int) -> NDArray[Any]:
    """A random part of the scene, `(height, width, 3)` float32 in 0–1; each image shows another part."""
    tall = between(rng, (0.5, 0.62)) * SCENE_SIZE
    wide = tall * width / height
    if wide > SCENE_SIZE:
        tall, wide = tall * SCENE_SIZE / wide, SCENE_SIZE
    left, top = rng.uniform(0, SCENE_SIZE - wide), rng.uniform(0, SCENE_SIZE - tall)
    image = Image.fromarray(scene).resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall)
    )
    return np.asarray(image, "float32") / 255


def draw_occluder(rng: np.random.Generator, image: NDArray[np.float32], brightness: float) -> None:
    """Draws a wall, a post or a bush over part of `image` `(height, width, 3)`, in place."""
    height, width = image.shape[:2]
    colour = np.clip(between(rng, (0.25, 0.6)) + rng.normal(0, 0.03, 3), 0.1, 0.8) * brightness
    texture = (0.8 + 0.4 * cloudy(rng, height, width, (8, 16, 40)))[..., None]
    kind = choose(rng, {"wall": 1, "post": 1, "bush": 1})
    if kind == "wall":
        top = int(height * between(rng, (0.7, 0.88)))
        image[top:] = colour * texture[top:]
    elif kind == "post":
        left = int(width * between(rng, (0.0, 0.9)))
        right = left + int(width * between(rng, (0.06, 0.13)))
        image[:, left:right] = colour
    else:
        rows, columns = np.ogrid[:height, :width]
        centre = width * (between(rng, (-0.08, 0.08)) + int(rng.integers(2)))
        inside = ((columns - centre) / (0.24 * width)) ** 2 + (
            (rows - 0.65 * height) / (0.45 * height)
        ) ** 2 < 1
        image[inside] = (colour * texture)[inside]
