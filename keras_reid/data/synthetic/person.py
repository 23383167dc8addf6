"""A person: body, clothes and belongings as one mesh, with the colour of every point."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.synthetic.body import BODY_HEIGHT_M, Bone, build_body, skin, template, walking_pose
from keras_reid.data.synthetic.outfit import draw_outfit
from keras_reid.data.synthetic.shapes import ellipsoid, loft, ring, vertex_normals

# Where clothes end, on the standard body, in metres above the hip joint.
WAIST, COLLAR, HAIR_LINE, NAPE = 0.09, 0.58, 0.785, 0.66
SHOULDER, ARM_LENGTH = 0.17, 0.28  # the arm's span in x
THICKNESS = {"tee": 0.01, "shirt": 0.015, "jacket": 0.03, "coat": 0.035, "dress": 0.008}
HEMS = {"coat": -0.14, "dress": -0.3, "skirt": -0.25}
FLARES = {"coat": 0.1, "dress": 0.28, "skirt": 0.3}  # how much wider the hem is than the hips


class Material(IntEnum):
    BODY = 0
    SKIRT = 1
    COAT_TAIL = 2
    BAG = 3
    HAT = 4
    HAIR = 5


class Person:
    """One identity of the synthetic data set.

    Args:
        rng: the generator that draws the outfit; the person depends only on it.

    Attributes:
        outfit: the `Outfit`.
        faces: `(faces, 3)` of the whole mesh.
        attributes: `(8, vertices)` float32, which the renderer interpolates and `albedo` reads: the position on the
            standard body (3), and how much a point belongs to head, hands, arms, legs and feet (5).
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.outfit = draw_outfit(rng)
        body, self._joints = build_body(self.outfit.female, self.outfit.stoutness)
        self._parts = []
        clothed = self._dress(body)
        self._add_skirt(clothed)
        self._add_belongings()
        self._join()

    def pose(
        self, rng: np.random.Generator, advance: float = 0.0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Posed vertices and unit normals, `(vertices, 3)` each, in units of the body's height.

        Args:
            rng, advance: as of `walking_pose`.
        """
        vertices, normals = skin(
            self._vertices, self._normals, self._weights, self._joints, walking_pose(rng, advance)
        )
        return vertices / BODY_HEIGHT_M, normals

    def albedo(self, attributes: NDArray[np.float32], face: NDArray[Any]) -> NDArray[np.float32]:
        """Colours `(pixels, 3)` in 0–1 of visible points.

        Args:
            attributes: `(8, pixels)`, the interpolated `attributes`.
            face: `(pixels,)` index of the face that each point lies on.
        """
        outfit, material = self.outfit, self._materials[face]
        x, y, z, head, hand, arm, leg, foot = attributes
        sleeve_end = SHOULDER + outfit.sleeve * ARM_LENGTH
        top = self._top(x, y, z, arm)
        colour = top.copy()
        colour[(arm > 0.5) & (np.abs(x) > sleeve_end)] = outfit.skin
        below = ((leg > 0.5) | (y < WAIST)) & (arm < 0.5)
        colour[below] = self._bottom(x[below], y[below], z[below], top[below])
        colour[foot > 0.5] = outfit.shoes
        colour[hand > 0.5] = outfit.skin
        on_head = head > 0.5
        collar = 0.5 if outfit.top == "coat" else COLLAR
        colour[on_head & (y >= collar)] = outfit.skin
        if outfit.hair_style != "bald":
            colour[on_head & _is_hair(y, z)] = outfit.hair
        for kind, value in (
            (Material.SKIRT, outfit.bottom_colour),
            (Material.BAG, outfit.bag_colour),
            (Material.HAT, outfit.hat_colour),
            (Material.HAIR, outfit.hair),
        ):
            colour[material == kind] = value
        tail = material == Material.COAT_TAIL
        colour[tail] = top[tail]
        return colour

    def _top(self, x, y, z, arm):
        """The colour of the garment above the waist, everywhere."""
        outfit = self.outfit
        colour = np.tile(outfit.top_colour, (len(x), 1))
        trunk = arm < 0.4
        wave = 2 * np.pi / outfit.pattern_width
        if outfit.pattern == "hoops":
            colour[np.sin(wave * y) > 0] = outfit.second_colour
        elif outfit.pattern == "stripes":
            colour[np.sin(wave * x) > 0.2] = outfit.second_colour
        elif outfit.pattern == "checks":
            dark = (np.sin(wave * y) > 0) ^ (np.sin(wave * (x + 0.6 * z)) > 0)
            colour[dark] = 0.5 * colour[dark] + 0.5 * outfit.second_colour
        elif outfit.pattern == "block":
            colour[y > 0.36] = outfit.second_colour
        elif outfit.pattern == "chest print":
            colour[trunk & (np.abs(x) < 0.1) & (y > 0.25) & (y < 0.45) & (z > 0.04)] = outfit.second_colour
        elif outfit.pattern == "back print":
            colour[trunk & (np.abs(x) < 0.13) & (y > 0.2) & (y < 0.48) & (z < 0)] = outfit.second_colour
        if outfit.top in ("jacket", "coat"):  # worn open, with a wedge of the inner garment visible
            opening = 0.035 + 0.06 * np.clip(y - 0.1, 0, 0.5)
            colour[trunk & (np.abs(x) < opening) & (z > 0.03) & (y > -0.1)] = outfit.inner_colour
        return colour

    def _bottom(self, x, y, z, top):
        outfit = self.outfit
        if outfit.bottom == "none":
            return np.where((y > -0.02)[:, None], top, outfit.skin)
        covered = y > outfit.bottom_end
        colour = np.where(covered[:, None], outfit.bottom_colour, outfit.skin)
        if outfit.side_stripe:
            colour[covered & (np.abs(z - 0.02) < 0.022) & (np.abs(x) > 0.1)] = outfit.second_colour
        return colour

    def _dress(self, body):
        """Puts clothes on the body by moving its surface outwards."""
        outfit, data = self.outfit, template()
        rest, weights = data.vertices, data.weights
        trunk = weights[:, [Bone.HIPS, Bone.BACK, Bone.CHEST]].sum(1) * (rest[:, 1] < COLLAR)
        sleeves = _share(weights, "ARM") * (np.abs(rest[:, 0]) < SHOULDER + outfit.sleeve * ARM_LENGTH)
        legs = _share(weights, "THIGH", "SHANK") * (rest[:, 1] > outfit.bottom_end)
        hair = weights[:, Bone.HEAD] * _is_hair(rest[:, 1], rest[:, 2])
        outwards = THICKNESS[outfit.top] * (trunk + sleeves)
        outwards += 0.014 * legs * (outfit.bottom in ("trousers", "shorts"))
        outwards += 0.022 * hair * (outfit.hair_style != "bald")
        clothed = body + vertex_normals(body, data.faces) * outwards[:, None]
        self._add(clothed, data.faces, weights, Material.BODY, rest)
        return clothed

    def _add_skirt(self, clothed):
        """Adds the tube of a skirt, dress or coat; its top follows the hips, its bottom the thighs."""
        outfit = self.outfit
        kind = outfit.top if outfit.top in ("coat", "dress") else outfit.bottom
        if kind not in HEMS:
            return
        rest = template().vertices
        around_hips = (np.abs(rest[:, 1]) < 0.05) & (np.abs(rest[:, 0]) < 0.25)
        extent = np.percentile(np.abs(clothed[around_hips]), 97, axis=0)
        rows, points = 7, 16
        rings = []
        for row, height in enumerate(np.linspace(HEMS[kind], 0.14, rows)):
            wider = 0.86 if row == rows - 1 else 1 + FLARES[kind] * (1 - row / (rows - 1))
            rings.append(ring(points, (extent[0] + 0.012) * wider, (extent[2] + 0.02) * wider, height))
        vertices, faces = loft(np.array(rings))
        lower = np.clip((0.1 - vertices[:, 1]) / 0.45, 0, 0.8)
        left = np.clip(0.5 + vertices[:, 0] / 0.24, 0, 1)
        weights = np.zeros((len(vertices), len(Bone)), "float32")
        weights[:, Bone.HIPS] = 1 - lower
        weights[:, Bone.LEFT_THIGH] = lower * left
        weights[:, Bone.RIGHT_THIGH] = lower * (1 - left)
        self._add(vertices, faces, weights, Material.SKIRT if kind == "skirt" else Material.COAT_TAIL)

    def _add_belongings(self):
        outfit, joints = self.outfit, self._joints
        raised = joints[Bone.HEAD] - template().joints[Bone.HEAD]
        if outfit.bag == "backpack":
            vertices, faces = ellipsoid((0, 0.33, -0.2), (0.17, 0.24, 0.11))
            vertices[:, 2] = np.minimum(vertices[:, 2], -0.1)
            self._add(vertices, faces, Bone.CHEST, Material.BAG)
        elif outfit.bag == "shoulder":
            shape = ellipsoid((0.25 * outfit.bag_side, -0.02, 0.02), (0.07, 0.14, 0.16))
            self._add(*shape, Bone.HIPS, Material.BAG)
        elif outfit.bag == "hand":
            left = outfit.bag_side > 0
            hand = joints[Bone.LEFT_HAND if left else Bone.RIGHT_HAND]
            shape = ellipsoid(hand + (0.0, -0.22, 0.0), (0.06, 0.15, 0.17))
            self._add(*shape, Bone.LEFT_FOREARM if left else Bone.RIGHT_FOREARM, Material.BAG)
        if outfit.hat:
            crown = ellipsoid(raised + (0.0, 0.775, 0.07), (0.1, 0.12, 0.125), lowest=0.0)
            brim = ellipsoid(raised + (0.0, 0.785, 0.17), (0.085, 0.015, 0.1), rows=5)
            self._add(*crown, Bone.HEAD, Material.HAT)
            self._add(*brim, Bone.HEAD, Material.HAT)
        if outfit.hair_style == "long":
            self._add(*ellipsoid(raised + (0.0, 0.64, 0.0), (0.1, 0.2, 0.085)), Bone.HEAD, Material.HAIR)

    def _add(self, vertices, faces, weights, material, rest=None):
        if isinstance(weights, Bone):
            bone, weights = weights, np.zeros((len(vertices), len(Bone)), "float32")
            weights[:, bone] = 1
        self._parts.append((vertices, faces, weights, material, vertices if rest is None else rest))

    def _join(self):
        vertices, faces, weights, materials, rest = zip(*self._parts, strict=True)
        starts = np.cumsum([0, *(len(part) for part in vertices[:-1])])
        normals = [vertex_normals(part, face) for part, face in zip(vertices, faces, strict=True)]
        self.faces = np.concatenate([face + start for face, start in zip(faces, starts, strict=True)])
        self._vertices = np.concatenate(vertices).astype("float32")
        self._normals = np.concatenate(normals)
        self._weights = np.concatenate(weights)
        self._materials = np.repeat(materials, [len(face) for face in faces])
        shares = (("HEAD", "NECK"), ("HAND",), ("ARM", "FOREARM"), ("THIGH", "SHANK"), ("FOOT",))
        belongs = np.stack([_share(self._weights, *names) for names in shares], -1)
        self.attributes = np.concatenate([np.concatenate(rest), belongs], 1).T.astype("float32", order="C")
        del self._parts


def _share(weights, *names):
    """Sum of the weights of the bones with these names (without the side)."""
    return weights[:, [bone for bone in Bone if bone.name.split("_")[-1] in names]].sum(1)


def _is_hair(y, z):
    return (y > HAIR_LINE) | ((z < 0.06) & (y > NAPE))
