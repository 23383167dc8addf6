"""Independent random streams, one for each drawn object."""

import hashlib

import numpy as np


def stream(*keys):
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


def between(rng, limits):
    """A float drawn uniformly from `limits = (low, high)`."""
    return float(rng.uniform(*limits))


def choose(rng, shares):
    """A key of `shares`, a dict of name → relative frequency."""
    names = list(shares)
    weights = np.array([shares[name] for name in names], float)
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def tinted(rng, palette, spread=0.03):
    """A colour of `palette` ((n, 3) in 0–1) with a small random change, so that two are rarely equal."""
    colour = palette[int(rng.integers(len(palette)))]
    return np.clip(colour + rng.normal(0, spread, 3), 0.03, 0.97).astype("float32")


def colours(*rows):
    """`(n, 3)` float32 colours in 0–1 from `"rrggbb"` strings."""
    return np.array([list(bytes.fromhex(row)) for row in rows], "float32") / 255
