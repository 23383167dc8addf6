"""A vehicle: a mesh built from side views, with the colour of every point."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.synthetic.finish import draw_finish
from keras_reid.data.synthetic.shapes import prism, wheel
from keras_reid.data.synthetic.streams import colours
from keras_reid.data.synthetic.vehicle_styles import STYLES

TYRE, UNDERSIDE, LAMP, TAIL_LAMP, PLATE = colours("1a1a1c", "2c2c2e", "f4f2e0", "9c1a1a", "e4e2d4")
GLASS_TINT = np.array([0.92, 1.0, 1.06], "float32")


class Material(IntEnum):
    HULL = 0
    CABIN = 1
    WHEEL = 2
    CARGO = 3
    RACK = 4


class Vehicle:
    """One identity of the synthetic data set; the counterpart of `Person`.

    Args:
        rng: the generator that draws the finish; the vehicle depends only on it.

    Attributes:
        finish: the `Finish`.
        faces: `(faces, 3)` of the whole mesh; faces share no vertices, so every panel is flat.
        attributes: `(3, vertices)` float32, the position on the vehicle in metres.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.finish = draw_finish(rng)
        self._style = style = STYLES[self.finish.style]
        self._stretch = np.array([self.finish.stretch, 1, 1], "float32")
        self._corners, self._materials = [], []
        self._add(prism(style.hull, 0.96 * style.width, style.width), Material.HULL)
        narrow = 0.97 if self.finish.style in ("van", "bus", "lorry") else 0.8
        self._add(prism(style.cabin, 0.97 * style.width, narrow * style.width), Material.CABIN)
        if self.finish.style == "lorry":
            box = ((-3.2, 0.92), (-3.2, 3.0), (1.3, 3.0), (1.3, 0.92))
            self._add(prism(box, style.width, style.width), Material.CARGO)
        elif self.finish.load != "none":
            self._add_load()
        for x in style.axles:
            for side in (-1, 1):
                place = (x, style.wheel, side * (style.width / 2 - 0.1))
                self._add(wheel(place, style.wheel, 0.24), Material.WHEEL)
        self._join()

    def pose(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vertices and unit normals, `(vertices, 3)` each, in units of the vehicle's length; vehicles have no pose."""
        del rng  # unused, but a person's pose needs it
        return self._vertices, self._normals

    def albedo(self, attributes: NDArray[np.float32], face: NDArray[Any]) -> NDArray[np.float32]:
        """Colours `(pixels, 3)` in 0–1 of visible points; arguments as for `Person.albedo`, with `(3, pixels)`."""
        finish, material = self.finish, self._materials[face]
        colour = np.tile(finish.paint, (len(face), 1))
        colour[material == Material.CARGO] = finish.load_colour
        colour[material == Material.RACK] = finish.load_colour if finish.load == "box" else UNDERSIDE
        for kind, paint in (
            (Material.HULL, self._paint_hull),
            (Material.CABIN, self._paint_cabin),
            (Material.WHEEL, self._paint_wheel),
        ):
            chosen = np.flatnonzero(material == kind)
            colour[chosen] = paint(colour[chosen], *attributes[:, chosen], *self._facing[:, face[chosen]])
        return colour

    def _paint_hull(self, colour, x, y, z, forward, up, across):
        finish, style = self.finish, self._style
        bottom, top = (pick(point[1] for point in style.hull) for pick in (min, max))
        middle, side = (top + bottom) / 2, np.abs(across) > 0.7
        if finish.livery == "two-tone":
            colour[y < middle] = finish.second
        elif finish.livery == "stripe":
            colour[side & (np.abs(y - middle - 0.05) < 0.09)] = finish.second
        elif finish.livery == "door sign":
            sign = (np.abs(x - finish.sign_place) < finish.sign_length) & (np.abs(y - middle) < 0.2)
            colour[side & sign] = finish.second
        elif finish.livery == "bonnet":
            colour[(x > 1.0) & ~side & (up > 0.2)] = finish.second
        elif finish.livery == "racing stripes":
            colour[_racing_stripes(z, up, side)] = finish.second
        colour[side & (np.abs(np.abs(x + 0.1) - 0.62) < 0.02)] *= 0.55  # the gaps of the doors
        colour[y < bottom + 0.1] = UNDERSIDE
        for axle in style.axles:
            colour[side & ((x - axle) ** 2 + (y - style.wheel) ** 2 < (1.2 * style.wheel) ** 2)] = UNDERSIDE
        end = np.abs(forward) > 0.5
        lamps = bottom + 0.62 * (top - bottom)
        outer = end & (np.abs(z) > 0.29 * style.width) & (np.abs(y - lamps) < 0.11)
        colour[outer & (forward > 0)] = LAMP
        colour[outer & (forward < 0)] = TAIL_LAMP
        colour[end & (np.abs(z) < 0.27) & (np.abs(y - bottom - 0.22) < 0.07)] = PLATE
        colour[(forward > 0.5) & (np.abs(z) < 0.24 * style.width) & (np.abs(y - lamps) < 0.09)] = UNDERSIDE
        return colour

    def _paint_cabin(self, colour, x, y, z, forward, up, across):
        finish, style = self.finish, self._style
        low, high = (pick(point[1] for point in style.cabin) for pick in (min, max))
        side = np.abs(across) > 0.5
        if finish.livery == "roof":
            colour[up > 0.8] = finish.second
        elif finish.livery == "racing stripes":
            colour[_racing_stripes(z, up, side)] = finish.second
        pillars = np.abs((x + 0.35) % 1.1 - 0.55) < 0.05
        glass = (
            (y > low + 0.06) & (y < high - 0.09) & (up < 0.85) & ((side & ~pillars) | (np.abs(forward) > 0.4))
        )
        if finish.style == "van":
            glass &= x > 0.3  # no windows behind the driver
        sky = (y[glass] - low) / (high - low) * 0.2
        colour[glass] = (finish.glass + sky)[:, None] * GLASS_TINT
        return colour

    def _paint_wheel(self, colour, x, y, z, forward, up, across):
        style = self._style
        colour[:] = TYRE
        axle = np.where(x > 0, style.axles[1], style.axles[0])
        distance = (x - axle) ** 2 + (y - style.wheel) ** 2
        colour[(np.abs(across) > 0.7) & (distance < (self.finish.rim_size * style.wheel) ** 2)] = (
            self.finish.rim
        )
        return colour

    def _add_load(self):
        """Rails or a box on the roof."""
        cabin = self._style.cabin
        roof = max(p[1] for p in cabin)
        back, front = (p[0] for p in sorted(cabin, key=lambda p: -p[1])[:2][::-1])
        back, front = min(back, front) + 0.1, max(back, front) - 0.1
        high = 0.3 if self.finish.load == "box" else 0.1
        block = ((back, roof + 0.03), (back, roof + high), (front, roof + high), (front, roof + 0.03))
        self._add(prism(block, 0.55 * self._style.width, 0.5 * self._style.width), Material.RACK)

    def _add(self, shape, material):
        vertices, faces = shape
        self._corners.append(vertices[faces])
        self._materials.append(np.full(len(faces), material))

    def _join(self):
        corners = np.concatenate(self._corners)
        self._materials = np.concatenate(self._materials)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        self._facing = normal.T.astype("float32", order="C")  # (3, faces): forward, up, sideways
        self._normals = np.repeat(normal, 3, axis=0).astype("float32")
        place = corners.reshape(-1, 3)
        self.faces = np.arange(len(place)).reshape(-1, 3)
        self.attributes = place.T.astype("float32", order="C")
        self._vertices = ((place - (0, place[:, 1].max() / 2, 0)) * self._stretch).astype("float32")
        self._vertices /= np.ptp(self._vertices[:, 0])
        # Turn the vehicle, built along +x, so that it looks along +z like a person.
        turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], "float32")
        self._vertices, self._normals = self._vertices @ turn, self._normals @ turn
        del self._corners


def _racing_stripes(z, up, side):
    return ~side & (up > 0.2) & (np.abs(np.abs(z) - 0.25) < 0.12)
