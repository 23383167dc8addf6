"""A human body: 1229 vertices moved by 17 bones, in two sexes and several builds.

The body in `body.npz` (see BODY.md for its origin) stands with its arms half raised and looks along +z; y points up, x
to the body's own left. It is about 1.66 m tall.
"""

from __future__ import annotations

import functools
import pathlib
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.synthetic.streams import between, choose

BODY_HEIGHT_M = 1.66


class Bone(IntEnum):
    HIPS = 0
    BACK = 1
    CHEST = 2
    NECK = 3
    HEAD = 4
    LEFT_ARM = 5
    LEFT_FOREARM = 6
    LEFT_HAND = 7
    RIGHT_ARM = 8
    RIGHT_FOREARM = 9
    RIGHT_HAND = 10
    LEFT_THIGH = 11
    LEFT_SHANK = 12
    LEFT_FOOT = 13
    RIGHT_THIGH = 14
    RIGHT_SHANK = 15
    RIGHT_FOOT = 16


class Template(NamedTuple):
    """The body data.

    Attributes:
        vertices: `(1229, 3)` float32, metres.
        faces: `(2454, 3)`.
        weights: `(1229, 17)` float32, how much each vertex follows each bone, summing to 1.
        shapes: `(6, 1229, 3)` float32 displacements: man, woman, thin man, stout man, thin woman, stout woman.
        joints: `(17, 3)` float32, where each bone starts.
        joint_shifts: `(2, 17, 3)` float32, displacement of the joints for a man and a woman.
        parents: for each bone, the bone that it is attached to; -1 for the first.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    shapes: np.ndarray
    joints: np.ndarray
    joint_shifts: np.ndarray
    parents: tuple


@functools.cache
def template() -> Any:
    """Reads the body data once."""
    with np.load(pathlib.Path(__file__).with_name("body.npz")) as data:
        weights = data["weights"].astype("float32")
        return Template(
            vertices=data["vertices"].astype("float32"),
            faces=data["faces"].astype(int),
            weights=weights / weights.sum(1, keepdims=True),
            shapes=data["shapes"].astype("float32"),
            joints=data["joints"].astype("float32"),
            joint_shifts=data["joint_shifts"].astype("float32"),
            parents=tuple(int(parent) for parent in data["parents"]),
        )


def build_body(female: bool, stoutness: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vertices `(1229, 3)` and joints `(17, 3)` of a body in its standard pose.

    Args:
        female: True for a woman's body, False for a man's.
        stoutness: -1 thin, 0 average, 1 stout.
    """
    data, sex = template(), int(female)
    build = 2 + 2 * sex + int(stoutness > 0)
    vertices = data.vertices + data.shapes[sex] + abs(stoutness) * data.shapes[build]
    return vertices, data.joints + data.joint_shifts[sex]


def walking_pose(rng: np.random.Generator, advance: float = 0.0) -> NDArray[np.float32]:
    """Draws a pose of somebody walking or standing: `(17, 3, 3)` float32 rotations of the bones.

    Args:
        rng: draws the gait and a moment of it.
        advance: radians of the gait since that moment, two steps in 2π. With the same `rng` anew it shows the same
            person a little later.
    """
    stride = between(rng, (0.1, 0.5))  # radians by which a thigh swings forward and back
    phase = between(rng, (0, 2 * np.pi)) + advance
    swing = stride * np.sin(phase)
    turn = np.tile(np.eye(3, dtype="float32"), (len(Bone), 1, 1))
    hang = between(rng, (0.5, 0.62))  # from half raised down to the side
    elbow = between(rng, (0.05, 0.4))
    for sign, arm, thigh, own in (
        (1, Bone.LEFT_ARM, Bone.LEFT_THIGH, swing),
        (-1, Bone.RIGHT_ARM, Bone.RIGHT_THIGH, -swing),
    ):
        knee = stride * (0.15 + 0.9 * max(0.0, np.sin(phase + 2.2 + (np.pi if sign < 0 else 0))))
        turn[thigh] = rotation("z", -0.05 * sign) @ rotation("x", -own)
        turn[thigh + 1] = rotation("x", knee)
        turn[arm] = rotation("x", 0.8 * own) @ rotation("z", -hang * sign)
        turn[arm + 1] = rotation("x", -elbow)
    gesture = choose(rng, {"none": 0.88, "left": 0.06, "right": 0.06})
    if gesture != "none":  # a hand in front of the chest, as if holding a telephone
        arm = Bone.LEFT_ARM if gesture == "left" else Bone.RIGHT_ARM
        turn[arm] = rotation("x", -0.45) @ turn[arm]
        turn[arm + 1] = rotation("x", -1.6)
    turn[Bone.BACK] = rotation("y", rng.normal(0, 0.06)) @ rotation("x", rng.normal(0.02, 0.03))
    turn[Bone.HEAD] = rotation("y", rng.normal(0, 0.25)) @ rotation("x", rng.normal(0.03, 0.08))
    return turn


def skin(
    vertices: NDArray[np.float32],
    normals: NDArray[np.float32],
    weights: NDArray[np.float32],
    joints: NDArray[np.float32],
    turn: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Moves a body, and everything attached to it, into a pose.

    Uses linear blend skinning: each vertex moves by the weighted mean of its bones' motions.

    Args:
        vertices, normals: `(n, 3)` in the standard pose.
        weights: `(n, 17)`.
        joints: `(17, 3)`.
        turn: `(17, 3, 3)` rotation of each bone relative to its parent.

    Returns:
        posed vertices and unit normals, `(n, 3)` each.
    """
    motion = np.zeros((len(Bone), 3, 4), "float32")
    for bone, parent in enumerate(template().parents):
        local = np.concatenate([turn[bone], (joints[bone] - turn[bone] @ joints[bone])[:, None]], 1)
        if parent >= 0:
            above = motion[parent]
            local = above[:, :3] @ local
            local[:, 3] += above[:, 3]
        motion[bone] = local
    # `einsum` instead of `@`, because the rounding of a threaded matrix product may depend on the number of threads.
    blended = np.einsum("nb,bk->nk", weights, motion.reshape(len(Bone), 12)).reshape(-1, 3, 4)
    posed = np.einsum("nij,nj->ni", blended[:, :, :3], vertices) + blended[:, :, 3]
    turned = np.einsum("nij,nj->ni", blended[:, :, :3], normals)
    return posed, turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-6)


def rotation(axis: str, angle: float) -> NDArray[np.float32]:
    """`(3, 3)` float32 right-handed rotation about the axis "x", "y" or "z" by `angle` radians."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3, dtype="float32")
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first] = np.sin(angle)
    matrix[first, second] = -matrix[second, first]
    return matrix
