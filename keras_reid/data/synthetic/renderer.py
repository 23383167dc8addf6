"""A small rasteriser in NumPy with perspective, hidden surfaces and interpolation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Fragments(NamedTuple):
    """The visible points: one row for each pixel that the subject covers.

    Attributes:
        pixel: `(n,)` index into the flattened image, `row * width + column`.
        face: `(n,)` index of the visible face.
        weights: `(3, n)` float32, perspective-correct shares of the face's corners, which sum to 1.
    """

    pixel: np.ndarray
    face: np.ndarray
    weights: np.ndarray

    def interpolate(self, values: NDArray[np.float32], faces: NDArray[Any]) -> NDArray[np.float32]:
        """Interpolates `(k, vertices)` values at the vertices to `(k, n)` values at the pixels."""
        corners = faces[self.face].T
        return np.stack([sum(value[corners[k]] * self.weights[k] for k in range(3)) for value in values])


def rasterise(
    screen: NDArray[np.float32],
    inverse_depth: NDArray[np.float32],
    faces: NDArray[Any],
    height: int,
    width: int,
) -> Fragments:
    """Finds the nearest face at every pixel.

    All faces are split at once into pixel rows, and the rows into pixels. Of all candidates for a pixel, the one with
    the largest inverse depth wins. A pixel belongs to a face if its centre lies inside, so that neighbouring faces
    leave neither gaps nor overlaps. Faces seen from behind are left out.

    Args:
        screen: `(vertices, 2)` float32 positions in pixels, x to the right, y down.
        inverse_depth: `(vertices,)` float32, 1 / distance from the camera, positive.
        faces: `(faces, 3)` vertex indices, anticlockwise when seen from outside.
        height, width: size of the image in pixels.

    Returns:
        `Fragments`.
    """
    x, y = (
        screen[:, 0][faces.T],
        screen[:, 1][faces.T],
    )  # (3, faces) each, because whole rows are faster than columns
    # Twice the area; it is negative for anticlockwise faces, because the y axis points down.
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    shown = np.flatnonzero(area < -1e-4)
    x, y, area = x[:, shown], y[:, shown], area[shown]

    first = _centre(np.minimum(np.minimum(y[0], y[1]), y[2]), height)
    last = _centre(np.maximum(np.maximum(y[0], y[1]), y[2]), height)
    owner, row = _ranges(first, last)
    middle = (row + 0.5).astype("float32")
    left, right = np.full(len(row), np.inf, "float32"), np.full(len(row), -np.inf, "float32")
    for a, b in ((0, 1), (1, 2), (2, 0)):
        slope = (x[b] - x[a]) / np.where(y[b] == y[a], 1, y[b] - y[a])
        crosses = (y[a][owner] <= middle) != (y[b][owner] <= middle)
        at = (x[a] - y[a] * slope)[owner] + middle * slope[owner]
        np.minimum(left, at, out=left, where=crosses)
        np.maximum(right, at, out=right, where=crosses)
    start = _centre(left, width)
    segment, column = _ranges(start, np.maximum(_centre(right, width), start))
    owner, row = owner[segment], row[segment]

    # Each share is linear over the image. Weight it with the inverse depth of its corner, because perspective makes
    # values divided by depth linear, not the values themselves.
    across, down = (column + 0.5).astype("float32"), middle[segment]
    shares = np.empty((3, len(owner)), "float32")
    for k in range(3):
        a, b = (k + 1) % 3, (k + 2) % 3
        factor = inverse_depth[faces[shown, k]] / area
        by_x, by_y = (y[a] - y[b]) * factor, (x[b] - x[a]) * factor
        constant = (x[a] * y[b] - x[b] * y[a]) * factor
        shares[k] = by_x[owner] * across + by_y[owner] * down + constant[owner]
    np.maximum(shares, 0, out=shares)
    nearness = shares[0] + shares[1] + shares[2]

    winner = _largest(row * width + column, nearness, height * width)
    shares = shares[:, winner] / np.maximum(nearness[winner], 1e-9)
    return Fragments(row[winner] * width + column[winner], shown[owner[winner]], shares)


def _centre(position, limit):
    """The first pixel whose centre is not before `position`, within 0 … `limit`."""
    return np.clip(np.ceil(position - np.float32(0.5)), 0, limit).astype(int)


def _ranges(start, stop):
    """Concatenates all `range(start[i], stop[i])`; returns the index i for each integer, and the integers."""
    counts = stop - start
    owner = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - before[owner] + start[owner]


def _largest(cell, value, cells):
    """The index of the entry with the largest value for each cell that occurs."""
    scale = 2.0**30 / max(float(value.max(initial=0)), 1e-9)
    key = ((value * scale).astype(np.int64) << 32) | np.arange(1, len(cell) + 1)
    best = np.zeros(cells, np.int64)
    np.maximum.at(best, cell, key)
    return (best[best > 0] & 0xFFFFFFFF) - 1
