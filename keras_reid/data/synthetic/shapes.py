"""Triangle meshes from a few parameters, for parts of clothes, bags and vehicles.

All coordinates are in metres, with y up; the corners of a face run anticlockwise when seen from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def loft(rings: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Joins rings of points, ordered from bottom to top, into a tube that is open at both ends.

    Args:
        rings: `(rings, points, 3)`; the points of a ring run anticlockwise when seen from above.

    Returns:
        vertices `(rings * points, 3)` float32 and faces `(2 * (rings - 1) * points, 3)`.
    """
    count, points = rings.shape[:2]
    index = np.arange(count * points).reshape(count, points)
    here, following = index[:-1], np.roll(index[:-1], -1, axis=1)
    above, above_following = index[1:], np.roll(index[1:], -1, axis=1)
    lower = np.stack([here, following, above_following], -1)
    upper = np.stack([here, above_following, above], -1)
    return rings.reshape(-1, 3).astype("float32"), np.concatenate([lower, upper]).reshape(-1, 3)


def ring(points: int, radius_x: float, radius_z: float, height: float) -> NDArray[np.float32]:
    """An ellipse `(points, 3)` at `height`, anticlockwise when seen from above."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([radius_x * np.cos(angle), np.full(points, height), -radius_z * np.sin(angle)], -1)


def ellipsoid(
    centre: Sequence[float], radii: Sequence[float], lowest: float = -1.0, rows: int = 7, points: int = 10
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """An ellipsoid that starts at the latitude `lowest`: -1 is the south pole, 0 gives the upper half."""
    latitude = np.linspace(lowest, 1, rows) * np.pi / 2
    rings = [ring(points, radii[0] * np.cos(a), radii[2] * np.cos(a), radii[1] * np.sin(a)) for a in latitude]
    return loft(np.array(rings) + np.asarray(centre, float))


def prism(
    profile: ArrayLike, bottom_width: float, top_width: float
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """A block with the given side view, whose width changes linearly with the height.

    Args:
        profile: `(n, 2)` points (x forward, y up) around the outline, in either direction.
        bottom_width, top_width: width in metres at the lowest and the highest point of the profile.
    """
    outline = _anticlockwise(np.asarray(profile, float))
    n = len(outline)
    low, high = outline[:, 1].min(), outline[:, 1].max()
    share = (outline[:, 1] - low) / (high - low)
    half = (bottom_width * (1 - share) + top_width * share) / 2
    near = np.column_stack([outline, half])
    far = np.column_stack([outline, -half])
    middle = outline.mean(0)
    near_middle, far_middle = [*middle, half.mean()], [*middle, -half.mean()]
    vertices = np.concatenate([near, far, [near_middle, far_middle]])
    a = np.arange(n)
    b = (a + 1) % n
    faces = np.concatenate(
        [
            np.stack([a, a + n, b + n], -1),
            np.stack([a, b + n, b], -1),
            np.stack([a, b, np.full(n, 2 * n)], -1),
            np.stack([b + n, a + n, np.full(n, 2 * n + 1)], -1),
        ]
    )
    return vertices.astype("float32"), faces


def wheel(
    centre: Sequence[float], radius: float, width: float, points: int = 14
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """A cylinder across the vehicle (axis z) around `centre`."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    profile = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    vertices, faces = prism(profile, width, width)
    return vertices + np.asarray(centre, "float32"), faces


def vertex_normals(vertices: NDArray[np.float32], faces: NDArray[Any]) -> NDArray[np.float32]:
    """Unit normals `(vertices, 3)`: the means of the faces' normals, weighted by area."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(vertices)) for k in range(3)], -1
    )
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)).astype("float32")


def _anticlockwise(outline):
    x, y = outline.T
    doubled_area = np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    return outline if doubled_area > 0 else outline[::-1]
