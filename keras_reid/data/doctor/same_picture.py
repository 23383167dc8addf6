"""Whether one picture is a copy of another: cropped, brightened, compressed again."""

import numpy as np

SAME = 0.05  # unexplained share up to which two pictures are copies
_COARSE = 0.15  # the same at half the size and without colour, up to which the rest is worth its time
_BORDER = 2  # pixels that a crop may have taken away
_BLOCK = 64  # pairs at once, which fit into the cache


def unexplained(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The share of one picture's variance that the other does not explain.

    The other may be moved, stretched, and changed in brightness and contrast, all of it a little: the least-squares fit
    `g·B + o + (a + b·x)·∂B/∂x + (c + d·y)·∂B/∂y` of slightly blurred pictures, the six numbers the same for all pixels
    and channels. 0 is a copy; copies that are cropped by up to 4 % on each side, brightened by 20 % and compressed to
    a quality of 50 are below 0.04, different pictures of one subject in one view above 0.09.

    Args:
        one, other: uint8 `(pairs, height, width, 3)`.

    Returns:
        `(pairs,)` float64; 1 where the first picture shows a single colour.
    """
    shares = np.ones(len(one))
    for start in range(0, len(one), _BLOCK):
        some = slice(start, start + _BLOCK)
        left, right = one[some].astype(np.float32), other[some].astype(np.float32)
        coarse = _fit(_halved(left), _halved(right), border=1)
        near = np.flatnonzero(coarse < _COARSE)
        if len(near):
            coarse[near] = _fit(left[near], right[near], border=_BORDER)
        shares[some] = coarse
    return shares


def _halved(images):
    grey = images.mean(axis=3, keepdims=True)
    rows = grey[:, ::2] + grey[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


def _fit(one, other, border):
    one, other = _blurred(one), _blurred(other)
    height, width = other.shape[1:3]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[:, None]
    down, right = np.gradient(other, axis=(1, 2))
    inner = np.s_[:, border : height - border, border : width - border]
    terms = [other, np.ones_like(other), right, x * right, down, y * down]
    terms = np.stack([term[inner].reshape(len(one), -1) for term in terms], axis=1)
    wanted = one[inner].reshape(len(one), -1)
    squares = (terms @ terms.transpose(0, 2, 1)).astype(np.float64)
    # Where a picture is empty, some terms are zero: any of the solutions will do.
    squares += np.eye(6) * (1e-9 * np.trace(squares, axis1=1, axis2=2)[:, None, None] + 1e-9)
    products = (terms @ wanted[:, :, None]).astype(np.float64)
    weights = np.linalg.solve(squares, products).astype(np.float32)
    rest = wanted - (weights.transpose(0, 2, 1) @ terms)[:, 0]
    variance = wanted.var(axis=1)
    return np.where(variance < 1, 1.0, np.square(rest).mean(axis=1) / np.maximum(variance, 1)).astype(
        np.float64
    )


def _blurred(images):
    """By (1, 2, 1) / 4 in both directions, so that the gradients tell what a small movement does."""
    for axis in (1, 2):
        padded = np.pad(images, [(1, 1) if place == axis else (0, 0) for place in range(4)], mode="edge")
        before, here, after = (
            np.take(padded, range(first, first + images.shape[axis]), axis) for first in range(3)
        )
        images = (before + 2 * here + after) / 4
    return images
