"""Independent random streams, one for each drawn object."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def stream(*keys: int | str) -> np.random.Generator:
    """A NumPy generator that depends only on the keys.

    Every drawn object has its own stream, so that the result does not depend on the order of the work or on the process
    that does it. The keys are hashed instead of passed to NumPy's seed sequence, which cannot distinguish `(1, 2)` from
    `(1, 2, 0)`.

    Args:
        *keys: integers and strings, for example `stream(seed, "person", "camera", 3)`.

    Example:
        >>> int(stream(0, "person", "identity", 7).integers(1000)) == int(
        ...     stream(0, "person", "identity", 7).integers(1000))
        True
    """
    digest = hashlib.blake2b(repr(keys).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def between(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """A float drawn uniformly from `limits = (low, high)`."""
    return float(rng.uniform(*limits))


def choose(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """A key of `shares`, a dict of name → relative frequency."""
    names = list(shares)
    weights = np.array([shares[name] for name in names], float)
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def tinted(
    rng: np.random.Generator, palette: NDArray[np.float32], spread: float = 0.03
) -> NDArray[np.float32]:
    """A colour of `palette` ((n, 3) in 0–1) with a small random change, so that two are rarely equal."""
    colour = palette[int(rng.integers(len(palette)))]
    return np.clip(colour + rng.normal(0, spread, 3), 0.03, 0.97).astype("float32")


def colours(*rows: str) -> NDArray[Any]:
    """`(n, 3)` float32 colours in 0–1 from `"rrggbb"` strings."""
    return np.array([list(bytes.fromhex(row)) for row in rows], "float32") / 255
