"""Inputs of the golden numbers."""

import numpy as np

_I = np.arange(8)[:, None]
FEATURES = (np.sin(0.7 * _I + 1.3 * np.arange(6)) + 0.1 * _I).astype("float32")
LOGITS = (2 * np.cos(0.9 * _I + 0.5 * np.arange(5))).astype("float32")
LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 3], "int32")


def on_few_lines():
    """Vectors `(64, 64)`, four on each of 16 lines: rounding takes the cosines of some beyond 1 and −1."""
    directions = np.random.default_rng(0).normal(size=(16, 1, 64))
    lengths = np.array([1, 3, -1, -0.1])[:, None]
    return (lengths * directions).reshape(64, 64).astype("float32")


def edge_cases():
    """`{name: (labels, features)}` where distances, norms or partners vanish or overflow."""
    ones, labels = np.ones((4, 3), "float32"), np.array([0, 0, 1, 1])
    random = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    return {
        "equal features": (labels, ones),
        "all zero": (labels, 0 * ones),
        "opposite": (labels, np.array([[1, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 0]], "float32")),
        "on few lines": (np.arange(64) // 2 % 4, on_few_lines()),
        "one identity": (np.zeros(4, int), random),
        "one identity, equal features": (np.zeros(4, int), ones),
        "no positives": (np.arange(4), random),
        "batch of 2, same": (np.array([3, 3]), random[:2]),
        "batch of 2, different": (np.array([3, 4]), random[:2]),
        "batch of 1": (np.array([3]), random[:1]),
        "huge": (labels, 1e4 * random),
        "tiny": (labels, 1e-15 * random),
        "far from the origin": (labels, random + 1e4),
    }
